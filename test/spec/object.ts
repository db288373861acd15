/**
 * Writes and reads BPF objects for tests of the parser: any sections, symbols and types, without a compiler.
 *
 * @module
 */

import * as assert from "uvu/assert";
import { type BtfBuilder, Kind, type Member } from "../../btf/index.ts";
import { SectionFlag, SymbolType } from "../../elf/index.ts";
import { encodeAll, type Instruction, PseudoSource } from "../../src/asm/index.ts";
import type { BpfError } from "../../src/error.ts";
import { type ObjectSpec, parseObject } from "../../src/spec/index.ts";
import { type RawExt, rawExt } from "../btf/raw.ts";
import {
  buildElf,
  type ElfInput,
  type SectionInput,
  type SymbolInput,
} from "../helper/elf-builder.ts";
import { readFixture } from "../helper/fixtures.ts";

/** An ELF file with the sections that every object has. */
export interface ObjectInput extends ElfInput {
  types?: BtfBuilder;
  ext?: RawExt;
}

/** The bytes of an object. */
export function objectBytes({ types, ext, ...input }: ObjectInput): Uint8Array {
  const littleEndian = input.little ?? true;
  const sections = [...(input.sections ?? [])];
  if (types !== undefined) sections.push({ name: ".BTF", data: types.bytes({ littleEndian }) });
  if (ext !== undefined) {
    sections.push({ name: ".BTF.ext", data: rawExt({ little: littleEndian, ...ext }) });
  }
  sections.push({ name: "license", data: new TextEncoder().encode("GPL\0") });
  return buildElf({ ...input, sections });
}

/** The object, read. */
export function readObject(input: ObjectInput): ObjectSpec {
  return parseObject(objectBytes(input));
}

/** `exit`. */
export const exit: Instruction = { opcode: 0x95, dst: 0, src: 0, offset: 0, imm: 0 };

/** `r0 = value`. */
export function mov(value: number): Instruction {
  return { opcode: 0xb7, dst: 0, src: 0, offset: 0, imm: value };
}

/** A call of a function: -1 where a relocation says which. */
export function call(imm = -1): Instruction {
  return { opcode: 0x85, dst: 0, src: PseudoSource.CALL, offset: 0, imm };
}

/** `r1 = value`, in two slots. */
export function load(imm = 0): Instruction {
  return { opcode: 0x18, dst: 1, src: 0, offset: 0, imm };
}

/** A section of code. */
export function code(
  name: string,
  instructions: readonly Instruction[],
  little = true,
): SectionInput {
  const flags = SectionFlag.ALLOC | SectionFlag.EXECINSTR;
  return { name, flags, data: encodeAll(instructions, little) };
}

/** The symbol of a function; places and sizes in slots. */
export function fn(
  name: string,
  section: string,
  slot: number,
  slots: number,
  more: Partial<SymbolInput> = {},
): SymbolInput {
  return { name, section, value: slot * 8, size: slots * 8, type: SymbolType.FUNC, ...more };
}

/** `int`. */
export function addInt(types: BtfBuilder, name = "int"): number {
  const flags = { signed: true, char: false, bool: false };
  return types.add({ kind: Kind.INT, name, size: 4, ...flags, bitOffset: 0, bits: 32 });
}

/** The type of a member that `__uint(NAME, value)` declares; `int` is that of `int`. */
export function addUint(types: BtfBuilder, int: number, value: number): number {
  const array = types.add({ kind: Kind.ARRAY, element: int, index: int, length: value });
  return types.add({ kind: Kind.PTR, type: array });
}

/** A structure whose members take 8 bytes each, as those of map definitions do; its id. */
export function addStruct(
  types: BtfBuilder,
  members: Readonly<Record<string, number>>,
  size: number = 8 * Object.keys(members).length,
): number {
  const list = Object.entries(members).map(
    ([name, type], index): Member => ({ name, type, bitOffset: index * 64, bitSize: 0 }),
  );
  return types.add({ kind: Kind.STRUCT, name: "", size, members: list });
}

/** A section's variables, global, by name and type; places are left to symbols, as compilers do. */
export function addSection(
  types: BtfBuilder,
  name: string,
  variables: Readonly<Record<string, number>>,
  size: number,
  linkage = 1,
): void {
  const list = Object.entries(variables).map(([variable, type]) => ({
    type: types.add({ kind: Kind.VAR, name: variable, type, linkage }),
    offset: 0,
    size,
  }));
  types.add({ kind: Kind.DATASEC, name, size: 0, variables: list });
}

/** What `read` must be refused with. */
export function refusal<E extends BpfError>(
  kind: new (...parameters: never[]) => E,
  read: () => unknown,
): string {
  try {
    read();
  } catch (error) {
    assert.instance(error, kind, String(error));
    return (error as E).message;
  }
  return "it was read";
}

/** A fixture, read. */
export function read(fixture: string): ObjectSpec {
  return parseObject(readFixture(fixture));
}
