/**
 * Writes BPF objects for tests of CO-RE: any types, any relocation records, any instructions,
 * without a compiler.
 *
 * @module
 */

import type { BtfBuilder } from "../../btf/index.ts";
import { SectionFlag, SymbolType } from "../../elf/index.ts";
import { buildElf } from "../helper/elf-builder.ts";

/** A program of few instructions with relocation records. */
export interface BuiltProgram {
  readonly name: string;
  /** Slots of 8 bytes; `exit` is added. */
  readonly instructions: Uint8Array;
  readonly relocations: readonly {
    readonly slot: number;
    readonly type: number;
    readonly accessor: string;
    readonly kind: number;
  }[];
}

const SECTION = "socket";
const EXIT = Uint8Array.of(0x95, 0, 0, 0, 0, 0, 0, 0);

/** A little-endian object whose programs stand one after another in one section. */
export function buildObject(types: BtfBuilder, programs: readonly BuiltProgram[]): Uint8Array {
  const code: number[] = [];
  const records: number[] = [];
  const section = types.string(SECTION);
  const symbols = programs.map(({ name, instructions, relocations }) => {
    const value = code.length;
    code.push(...instructions, ...EXIT);
    for (const { slot, type, accessor, kind } of relocations) {
      records.push(value + slot * 8, type, types.string(accessor), kind);
    }
    return { name, section: SECTION, value, size: code.length - value, type: SymbolType.FUNC };
  });
  // struct btf_ext_header with three parts, of which only the last has anything: struct
  // btf_ext_info_sec and its records.
  const relocations = [16, section, records.length / 4, ...records];
  const header = [0, 0, 0, 0, 0, relocations.length * 4];
  const ext = new Uint32Array([0x0001_eb9f, 32, ...header, ...relocations]);
  const flags = SectionFlag.ALLOC | SectionFlag.EXECINSTR;
  return buildElf({
    sections: [
      { name: SECTION, flags, data: Uint8Array.from(code) },
      { name: "license", flags: SectionFlag.ALLOC, data: new TextEncoder().encode("GPL\0") },
      { name: ".BTF", data: types.bytes({ littleEndian: true }) },
      { name: ".BTF.ext", data: new Uint8Array(ext.buffer) },
    ],
    symbols,
  });
}

/** One little-endian instruction. */
export function instruction(
  opcode: number,
  registers: number,
  offset: number,
  imm: number,
): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  bytes[0] = opcode;
  bytes[1] = registers;
  view.setInt16(2, offset, true);
  view.setInt32(4, imm, true);
  return bytes;
}

/** A little-endian load of a 64-bit immediate into r1. */
export function loadImm64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  bytes.set([0x18, 1]);
  view.setUint32(4, Number(BigInt.asUintN(32, value)), true);
  view.setUint32(12, Number(BigInt.asUintN(32, value >> 32n)), true);
  return bytes;
}

/** Bytes of hexadecimal text. */
export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
}
