/**
 * Where the members of libbpf's `struct __bpf_usdt_spec` are: a program that includes `bpf/usdt.bpf.h` brings the structure of the
 * release that it was built with. Until 1.6 an argument took 16 bytes, from 1.7 on, with indexed memory, it takes 24.
 *
 * @module
 */

import { type Btf, Kind, resolve, type StructType, sizeOf } from "../btf/index.ts";
import { BpfError } from "../src/error.ts";

/** Bits from the start of the structure that it is in. */
export interface BitField {
  readonly at: number;
  readonly bits: number;
}

/** What is written of an argument; the last two are not in programs built with libbpf before 1.7. */
export type ArgumentField =
  | "val_off"
  | "arg_type"
  | "reg_off"
  | "arg_signed"
  | "arg_bitshift"
  | "idx_reg_off"
  | "scale_bitshift";

/** The structure of one program. */
export interface SpecLayout {
  /** Of the whole, bytes. */
  readonly size: number;
  /** Most arguments. */
  readonly count: number;
  /** Of the first argument, bits; and of each. */
  readonly first: number;
  readonly stride: number;
  readonly argument: Readonly<Partial<Record<ArgumentField, BitField>>>;
  readonly cookie: BitField;
  readonly argumentCount: BitField;
}

const NEEDED = ["val_off", "arg_type", "reg_off", "arg_signed", "arg_bitshift"] as const;
const INDEXED = ["idx_reg_off", "scale_bitshift"] as const;

/** Until libbpf 1.6, for objects without types. */
const PLAIN: SpecLayout = {
  size: 208,
  count: 12,
  first: 0,
  stride: 128,
  argument: {
    val_off: { at: 0, bits: 64 },
    arg_type: { at: 64, bits: 32 },
    reg_off: { at: 96, bits: 16 },
    arg_signed: { at: 112, bits: 8 },
    arg_bitshift: { at: 120, bits: 8 },
  },
  cookie: { at: 12 * 128, bits: 64 },
  argumentCount: { at: 12 * 128 + 64, bits: 16 },
};

/**
 * The layout that a program's types tell, for values of `valueSize` bytes.
 *
 * @throws BpfError (`ERR_USDT`) when there is no such structure, or it lacks what is needed.
 */
export function specLayout(btf: Btf | undefined, valueSize: number): SpecLayout {
  const id = btf?.find("__bpf_usdt_spec", Kind.STRUCT);
  const layout = btf === undefined || id === undefined ? PLAIN : fromTypes(btf, id);
  if (layout !== undefined && layout.size === valueSize) return layout;
  throw new BpfError(
    `map __bpf_usdt_specs has values of ${valueSize} bytes, which are no struct __bpf_usdt_spec of a known shape; ` +
      "build the object with bpf/usdt.bpf.h of libbpf",
    { code: "ERR_USDT" },
  );
}

function fromTypes(btf: Btf, id: number): SpecLayout | undefined {
  const whole = btf.type(id) as StructType;
  const outer = fieldsOf(btf, whole);
  const list = whole.members.find(({ name }) => name === "args");
  const cookie = outer.get("usdt_cookie");
  const argumentCount = outer.get("arg_cnt");
  if (list === undefined || cookie === undefined || argumentCount === undefined) return undefined;
  const array = btf.type(resolve(btf, list.type));
  if (array.kind !== Kind.ARRAY) return undefined;
  const element = btf.type(resolve(btf, array.element));
  if (element.kind !== Kind.STRUCT) return undefined;
  const inner = fieldsOf(btf, element);
  const argument: Partial<Record<ArgumentField, BitField>> = {};
  for (const name of [...NEEDED, ...INDEXED]) {
    const field = inner.get(name);
    if (field !== undefined) argument[name] = field;
  }
  const end = list.bitOffset + array.length * element.size * 8;
  if (NEEDED.some((name) => argument[name] === undefined) || end > whole.size * 8) return undefined;
  return {
    size: whole.size,
    count: array.length,
    first: list.bitOffset,
    stride: element.size * 8,
    argument,
    cookie,
    argumentCount,
  };
}

/** The members that are inside a structure and no larger than 64 bits. */
function fieldsOf(btf: Btf, { members, size }: StructType): Map<string, BitField> {
  const fields = new Map<string, BitField>();
  for (const { name, type, bitOffset, bitSize } of members) {
    const bits = bitSize === 0 ? sizeOf(btf, type) * 8 : bitSize;
    if (bits <= 64 && bitOffset + bits <= size * 8) fields.set(name, { at: bitOffset, bits });
  }
  return fields;
}
