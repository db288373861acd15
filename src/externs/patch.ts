/**
 * Writes into instructions what kernel symbols are on this kernel; the bytes are those of libbpf.
 *
 * @module
 */

import {
  PseudoSource,
  setImm,
  setImm64,
  setOffset,
  setOpcode,
  setRegisters,
  setSource,
} from "../asm/index.ts";
import type { KsymAnswer } from "./ksyms.ts";

/**
 * Calls of functions that the kernel does not have become calls of a helper of this number, plus
 * the symbol's place.
 */
const POISON = 2_002_000_000;
/** `BPF_JMP | BPF_CALL`. */
const CALL = 0x85;

/** Makes the `ldimm64` at `slot` load the address of a symbol. */
export function patchLoad(view: DataView, slot: number, little: boolean, answer: KsymAnswer): void {
  switch (answer.kind) {
    case "address":
      setSource(view, slot, little, 0);
      setImm64(view, slot, little, answer.address);
      break;
    case "absent":
      setSource(view, slot, little, 0);
      setImm64(view, slot, little, 0n);
      break;
    default:
      setSource(view, slot, little, PseudoSource.BTF_ID);
      setImm(view, slot, little, answer.id);
      setImm(view, slot + 1, little, answer.module?.fd.number ?? 0);
  }
}

/** Makes the call at `slot` one of the function with that id. */
export function patchCall(
  view: DataView,
  slot: number,
  little: boolean,
  answer: Extract<KsymAnswer, { kind: "variable" | "function" }>,
): void {
  setSource(view, slot, little, PseudoSource.KFUNC_CALL);
  setOffset(view, slot, little, answer.module?.index ?? 0);
  setImm(view, slot, little, answer.id);
}

/**
 * Makes the call at `slot` one that no verifier accepts, but does not see where a test guards it.
 * `place` is that of the symbol among the externs of the object, as libbpf sorts them.
 */
export function poisonCall(view: DataView, slot: number, little: boolean, place: number): void {
  setOpcode(view, slot, CALL);
  setRegisters(view, slot, little, 0, 0);
  setOffset(view, slot, little, 0);
  setImm(view, slot, little, POISON + place);
}
