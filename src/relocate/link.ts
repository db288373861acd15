/**
 * Links a program with the functions that it reaches, into one instruction stream.
 *
 * Functions are appended when they are first referenced, depth first, each once: the order of libbpf, which other programs
 * compare with. Calls and addresses of functions become relative; maps, data and externs become references for the loader.
 *
 * @module
 */

import {
  immAt,
  isCall,
  isLoadImm64,
  opcodeAt,
  PseudoSource,
  SLOT,
  setImm,
  setOffset,
  setSource,
  srcAt,
} from "../asm/index.ts";
import { viewOf } from "../bytes.ts";
import { RelocationError } from "../error.ts";
import type { CodeFunction, FunctionTable } from "../spec/functions.ts";
import type { Reference } from "../spec/types.ts";
import { type JumpTable, movedTable } from "./jump-table.ts";
import type { FunctionTarget, RelocationTarget, SectionTargets } from "./target.ts";

/** The kernel takes no more instructions than this in a program (`BPF_COMPLEXITY_LIMIT_INSNS`). */
const MAX_SLOTS = 1_000_000;

/** 1 for opcodes of instructions that can refer to anything. */
const REFERS: Uint8Array = (() => {
  const table = new Uint8Array(0x100);
  for (let opcode = 0; opcode < table.length; opcode++) {
    if (isCall(opcode) || isLoadImm64(opcode)) table[opcode] = 1;
  }
  return table;
})();

/** Where a function came to stand in the linked program. */
export interface Placed {
  fn: CodeFunction;
  slot: number;
}

/** A linked program. */
export interface Linked {
  instructions: Uint8Array;
  placed: Placed[];
  references: Reference[];
}

/** Links `main` with everything that it reaches, and then with `extra` functions that nothing calls. */
export function link(
  main: CodeFunction,
  table: FunctionTable,
  targets: SectionTargets,
  little: boolean,
  extra: readonly CodeFunction[] = [],
): Linked {
  const linker = new Linker(table, targets, little, main);
  linker.add(main);
  for (const fn of extra) linker.add(fn);
  return linker.finish();
}

type DataTarget = Exclude<RelocationTarget, FunctionTarget>;

/** A function that is being linked, the slot where it stands, and its next instruction. */
interface Frame {
  readonly fn: CodeFunction;
  readonly base: number;
  next: number;
}

class Linker {
  readonly #table: FunctionTable;
  readonly #targets: SectionTargets;
  readonly #little: boolean;
  readonly #program: string;
  readonly #placed = new Map<CodeFunction, number>();
  readonly #references: Reference[] = [];
  readonly #tables = new Map<JumpTable, readonly number[]>();
  #bytes: Uint8Array;
  #view: DataView;
  #slots = 0;

  /** There is room for `main`; the others need more. */
  constructor(table: FunctionTable, targets: SectionTargets, little: boolean, main: CodeFunction) {
    this.#table = table;
    this.#targets = targets;
    this.#little = little;
    this.#program = main.name;
    this.#bytes = new Uint8Array(main.count * SLOT);
    this.#view = viewOf(this.#bytes);
  }

  /** Appends a function and, depth first, all that it references. */
  add(start: CodeFunction): void {
    if (this.#placed.has(start)) return;
    // A stack of our own: the depth of calls is the object's choice, that of JavaScript's stack is not.
    const stack: Frame[] = [{ fn: start, base: this.#append(start), next: 0 }];
    for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
      const index = this.#nextOf(frame);
      if (index >= frame.fn.count) {
        stack.pop();
        continue;
      }
      const opcode = opcodeAt(this.#view, frame.base + index);
      frame.next = index + (isLoadImm64(opcode) ? 2 : 1);
      const callee = this.#instruction(frame.fn, frame.base, index, opcode);
      if (callee !== undefined)
        stack.push({ fn: callee, base: this.#placed.get(callee)!, next: 0 });
    }
  }

  /** The next instruction of a function that can refer to anything: few of them can. */
  #nextOf({ fn, base, next }: Frame): number {
    const bytes = this.#bytes;
    const end = (base + fn.count) * SLOT;
    let at = (base + next) * SLOT;
    while (at < end && REFERS[bytes[at]!] === 0) at += SLOT;
    return at / SLOT - base;
  }

  finish(): Linked {
    const placed: Placed[] = [];
    for (const [fn, slot] of this.#placed) placed.push({ fn, slot });
    const references = this.#references;
    // Functions refer in the order in which they are walked through; the called ones stand behind their callers.
    if (placed.length > 1) references.sort((a, b) => a.slot - b.slot);
    const size = this.#slots * SLOT;
    const instructions = this.#bytes.length === size ? this.#bytes : this.#bytes.slice(0, size);
    return { instructions, placed, references };
  }

  /** Relocates one instruction; returns the function that this made part of the program, if any. */
  #instruction(
    fn: CodeFunction,
    base: number,
    index: number,
    opcode: number,
  ): CodeFunction | undefined {
    const wide = isLoadImm64(opcode);
    if (wide && index + 1 >= fn.count) {
      throw this.#error(fn, index, "a 64-bit load is cut off by the end of the function");
    }
    const slot = base + index;
    // Fields of the second half would be an instruction that a jump could land on; no compiler sets them.
    if (wide && this.#view.getUint32((slot + 1) * SLOT) !== 0) {
      throw this.#error(fn, index, "the second half of a 64-bit load is no second half");
    }
    const target = this.#targets.get(fn.section)?.get(fn.slot + index);
    if (target === undefined) {
      if (!isCall(opcode)) return undefined;
      if (srcAt(this.#view, slot, this.#little) !== PseudoSource.CALL) return undefined;
      // Calls inside of one section may come without a relocation: relative to where the caller stood.
      const callee = fn.slot + index + immAt(this.#view, slot, this.#little) + 1;
      const { section, sectionName } = fn;
      return this.#reach(fn, index, slot, { kind: "call", section, sectionName, slot: callee });
    }
    if ("section" in target) {
      return this.#reach(fn, index, slot, target);
    }
    this.#refer(slot, target, base - fn.slot);
    return undefined;
  }

  #reach(
    fn: CodeFunction,
    index: number,
    slot: number,
    target: FunctionTarget,
  ): CodeFunction | undefined {
    const callee = this.#table.at(target.section, target.slot);
    if (callee === undefined) {
      throw this.#error(
        fn,
        index,
        `no function stands at slot ${target.slot} of section ${target.sectionName}`,
      );
    }
    const known = this.#placed.get(callee);
    const position = known ?? this.#append(callee);
    if (target.kind === "function") setSource(this.#view, slot, this.#little, PseudoSource.FUNC);
    setImm(this.#view, slot, this.#little, position - slot - 1);
    return known === undefined ? callee : undefined;
  }

  /** `moved`: how much further on the function stands than in its section. */
  #refer(slot: number, target: DataTarget, moved: number): void {
    const view = this.#view;
    const little = this.#little;
    setImm(view, slot, little, 0);
    switch (target.kind) {
      case "map":
        setSource(view, slot, little, PseudoSource.MAP_FD);
        break;
      case "map-value":
        setSource(view, slot, little, PseudoSource.MAP_VALUE);
        setImm(view, slot + 1, little, target.offset);
        break;
      case "ksym":
        if (target.typed) setSource(view, slot, little, PseudoSource.BTF_ID);
        break;
      case "kfunc":
        setSource(view, slot, little, PseudoSource.KFUNC_CALL);
        setOffset(view, slot, little, 0);
        break;
    }
    const { kind, name } = target;
    if (kind === "jump-table") {
      setSource(view, slot, little, PseudoSource.MAP_VALUE);
      setOffset(view, slot, little, 0);
      this.#references.push({ slot, kind, name, targets: this.#moved(target.table, moved, name) });
    } else {
      this.#references.push({ slot, kind, name });
    }
  }

  /** A jump table for this program: one for all that refer to it. */
  #moved(table: JumpTable, moved: number, name: string): readonly number[] {
    const known = this.#tables.get(table);
    if (known !== undefined) return known;
    const targets = movedTable(table, moved);
    if (targets === undefined) {
      const program = this.#program;
      throw new RelocationError(
        `program ${program}: jump table ${name} leads out of the function that jumps`,
        { program, symbol: name },
      );
    }
    this.#tables.set(table, targets);
    return targets;
  }

  #append(fn: CodeFunction): number {
    const slot = this.#slots;
    if (slot + fn.count > MAX_SLOTS) {
      throw new RelocationError(
        `program ${this.#program}: linked with the functions that it calls it has over ${MAX_SLOTS} instructions, more than any kernel takes`,
        { program: this.#program },
      );
    }
    this.#placed.set(fn, slot);
    this.#slots += fn.count;
    if (this.#slots * SLOT > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#slots * SLOT, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = viewOf(grown);
    }
    this.#bytes.set(fn.bytes, slot * SLOT);
    return slot;
  }

  #error(fn: CodeFunction, index: number, what: string): RelocationError {
    const instruction = fn.slot + index;
    const where = fn.name === this.#program ? "" : ` (function ${fn.name})`;
    return new RelocationError(
      `program ${this.#program}: section ${fn.sectionName}, instruction ${instruction}${where}: ${what}`,
      { program: this.#program, instruction },
    );
  }
}
