/**
 * A program's instructions as text, each with where it comes from: its source line, what it refers
 * to, the CO-RE record that would change it. As linked and not yet relocated.
 *
 * Needs no kernel. How to lay it out is the business of disassembly-text.ts.
 *
 * @module
 */

import { type Btf, typeName } from "../../btf/index.ts";
import {
  type Instruction,
  isCall,
  isLoadImm64,
  PseudoSource,
  printAll,
  SLOT,
  slotsOf,
} from "../asm/index.ts";
import { toHex } from "../bytes.ts";
import { attempt } from "../co-re/attempt.ts";
import { coreKindName } from "../co-re/index.ts";
import { LocalObject } from "../co-re/local-object.ts";
import type { ObjectSpec, ProgramLine, ProgramSpec, Reference } from "../spec/index.ts";
import type { ReportSource } from "./report.ts";
import { VariableTable } from "./variable-table.ts";

/** What disassembly needs of an object: a `CollectionSpec` has it. */
export type DisassembledObject = Pick<ObjectSpec, "byteOrder" | "btf" | "variables" | "kconfig">;

/** What an instruction names. */
export interface DisassembledReference {
  /** `call` and `function` are of the program itself: a call, and an address. */
  readonly kind: Reference["kind"] | "call" | "function";
  readonly name: string;
  /** Of `map-value`: bytes from the beginning of the value. */
  readonly offset?: number;
  /** Of `map-value`: the variable there, such as `counters` or `counters+8`; null for none. */
  readonly variable?: string | null;
}

/** A CO-RE record of an instruction. */
export interface DisassembledRelocation {
  /** Such as `field_byte_offset`. */
  readonly kind: string;
  /** Such as `struct task_struct`. */
  readonly root: string;
  readonly accessor: string;
  /** Such as `task_struct.se.vruntime`. */
  readonly path: string;
}

/** One instruction, which takes one slot of 8 bytes or two. */
export interface DisassembledInstruction {
  readonly slot: number;
  /** Hexadecimal, in the byte order of the object. */
  readonly bytes: string;
  /** As the kernel's verifier prints it, with names for what only loading can number. */
  readonly text: string;
  /** The line that it was compiled from. */
  readonly source: ReportSource | null;
  readonly reference: DisassembledReference | null;
  readonly coreRelocation: DisassembledRelocation | null;
}

/** The instructions of a linked program, in order. */
export function* disassemble(
  object: DisassembledObject,
  program: ProgramSpec,
): Generator<DisassembledInstruction, void, undefined> {
  const { instructions } = program;
  const little = object.byteOrder === "little";
  const named = new NamedSlots(object, program);
  const relocations = relocationsOf(object, program);
  const sourceAt = sourcesOf(program);
  const names = {
    immediate: (instruction: Instruction, slot: number) => named.immediate(instruction, slot),
    call: (_: Instruction, slot: number) => named.kernelFunction(slot),
  };
  for (const { slot, instruction, text } of printAll(instructions, little, names)) {
    const end = slot + slotsOf(instruction);
    yield {
      slot,
      bytes: toHex(instructions.subarray(slot * SLOT, end * SLOT)),
      text,
      source: sourceAt(slot),
      reference: named.reference(instruction, slot),
      coreRelocation: relocations.get(slot)?.() ?? null,
    };
  }
}

/** C text of the functions of a program by the slot where they begin, such as `int main(void *ctx)`. */
export function functionSignatures(
  { btf }: DisassembledObject,
  { functions }: ProgramSpec,
): Map<number, string> {
  // Subprograms are in every program that calls them.
  const known = (btf && signatures.get(btf)) ?? new Map<number, string>();
  if (btf !== undefined) signatures.set(btf, known);
  return new Map(
    functions.map(({ slot, name, type }) => {
      if (btf === undefined || type === 0) return [slot, name];
      const text = known.get(type) ?? attempt(() => typeName(btf, type), name);
      known.set(type, text);
      return [slot, text];
    }),
  );
}

const signatures: WeakMap<Btf, Map<number, string>> = new WeakMap();

/** What instructions of a program refer to. */
class NamedSlots {
  readonly #references: Map<number, Reference>;
  readonly #functions: Map<number, string>;
  readonly #variables: VariableTable;

  constructor(object: DisassembledObject, program: ProgramSpec) {
    this.#references = new Map(program.references.map((reference) => [reference.slot, reference]));
    this.#functions = new Map(program.functions.map(({ slot, name }) => [slot, name]));
    this.#variables = VariableTable.of(object);
  }

  /** What stands for the number that a 64-bit load has not got yet. */
  immediate(instruction: Instruction, slot: number): string | undefined {
    const reference = this.#references.get(slot);
    switch (reference?.kind) {
      case "map":
        return `map[name:${reference.name}]`;
      case "map-value":
        return `map[name:${reference.name}][0]+${high(instruction)}`;
      case "jump-table":
        return `jump_table[name:${reference.name}]`;
      case "ksym":
        return `ksym[name:${reference.name}]`;
      default:
        return instruction.src === PseudoSource.FUNC
          ? `subprog[${signed(instruction.imm)}]`
          : undefined;
    }
  }

  kernelFunction(slot: number): string | undefined {
    const reference = this.#references.get(slot);
    return reference?.kind === "kfunc" ? reference.name : undefined;
  }

  reference(instruction: Instruction, slot: number): DisassembledReference | null {
    const reference = this.#references.get(slot);
    if (reference !== undefined) {
      const { kind, name } = reference;
      if (kind !== "map-value") return { kind, name };
      const offset = high(instruction);
      return { kind, name, offset, variable: this.#variables.at(name, offset) };
    }
    const { opcode, src, imm } = instruction;
    const calls = isCall(opcode) && src === PseudoSource.CALL;
    const points = isLoadImm64(opcode) && src === PseudoSource.FUNC;
    if (!calls && !points) return null;
    const name = this.#functions.get(slot + 1 + imm);
    return name === undefined ? null : { kind: calls ? "call" : "function", name };
  }
}

function high({ imm64 = 0n }: Instruction): number {
  return Number(BigInt.asUintN(32, imm64 >> 32n));
}

function signed(value: number): string {
  return value < 0 ? `${value}` : `+${value}`;
}

/** CO-RE records by slot; their texts are made when asked for. */
function relocationsOf(
  { btf }: DisassembledObject,
  { coreRelocations }: ProgramSpec,
): Map<number, () => DisassembledRelocation> {
  if (btf === undefined) return new Map();
  const local = LocalObject.of(btf);
  return new Map(
    coreRelocations.map(({ slot, type, accessor, kind }) => {
      const root = local.root(type);
      const make = (): DisassembledRelocation => {
        const { path } = root.question(accessor, kind);
        return { kind: coreKindName(kind), root: root.text, accessor, path };
      };
      return [slot, make];
    }),
  );
}

/** The source of each slot, asked for in ascending order: the last record at or before it, of the same function. */
function sourcesOf({ lines, functions }: ProgramSpec): (slot: number) => ReportSource | null {
  const starts = functions.map(({ slot }) => slot).sort((a, b) => a - b);
  let line = 0;
  let start = 0;
  let current: { of: ProgramLine | undefined; source: ReportSource | null } = {
    of: undefined,
    source: null,
  };
  return (slot) => {
    while (line < lines.length && lines[line]!.slot <= slot) line++;
    while (start < starts.length && starts[start]! <= slot) start++;
    const found = lines[line - 1];
    if (found === undefined || found.slot < (starts[start - 1] ?? 0)) return null;
    if (current.of !== found) {
      const { file, line, text } = found.source;
      current = { of: found, source: { file, line, text: text.trim() } };
    }
    return current.source;
  };
}
