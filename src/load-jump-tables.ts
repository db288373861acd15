/**
 * Jump tables of programs that are being loaded: instruction arrays, each for one program, of which the kernel wants to know all
 * before it verifies the program and which nobody needs to name afterwards.
 *
 * @module
 */

import { type BpfMap, createMap, InstructionArray } from "../maps/index.ts";
import { setImm } from "./asm/index.ts";
import { hostLittleEndian, viewOf } from "./bytes.ts";
import { JUMP_TABLES } from "./relocate/jump-table.ts";
import type { ProgramSpec } from "./spec/index.ts";
import type { FileDescriptor } from "./sys/fd.ts";
import { MapType } from "./uapi.ts";

/** `struct bpf_insn_array_value`. */
const VALUE_SIZE = 16;

/** The jump tables of one object's programs, to be closed when those are loaded. */
export class LoadedJumpTables {
  readonly #maps: BpfMap[] = [];
  readonly #token: FileDescriptor | undefined;

  constructor(token: FileDescriptor | undefined) {
    this.#token = token;
  }

  /** Makes the tables of a program and puts them into its instructions; their descriptors. */
  add({ name, references }: ProgramSpec, instructions: Uint8Array): FileDescriptor[] {
    const known = new Map<readonly number[], FileDescriptor>();
    const view = viewOf(instructions);
    for (const reference of references) {
      if (reference.kind !== "jump-table") continue;
      const { slot, targets } = reference;
      const fd = known.get(targets) ?? this.#make(targets, `${name}: ${reference.name}`);
      known.set(targets, fd);
      setImm(view, slot, hostLittleEndian, fd.number);
    }
    return [...known.values()];
  }

  #make(targets: readonly number[], what: string): FileDescriptor {
    const map = createMap(
      {
        type: MapType.INSN_ARRAY,
        name: JUMP_TABLES,
        keySize: 4,
        valueSize: VALUE_SIZE,
        maxEntries: targets.length,
      },
      { token: this.#token },
    );
    this.#maps.push(map);
    if (!(map instanceof InstructionArray)) throw new TypeError(`${what} is no instruction array`);
    for (const [index, original] of targets.entries()) map.set(index, { original });
    map.freeze();
    return map.fd;
  }

  /** Programs that are loaded hold their tables by themselves. */
  close(): void {
    for (const map of this.#maps) map.close();
  }
}
