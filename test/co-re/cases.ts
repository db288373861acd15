/**
 * Small questions to small kernels, with the instruction before and after. What libbpf makes of
 * them is checked by test/differential/cases.ts; the tests only hold us to it.
 *
 * @module
 */

import { BtfBuilder, Kind } from "../../btf/index.ts";
import { toHex } from "../../src/bytes.ts";
import { CoreKind } from "../../src/co-re/index.ts";
import { instruction, loadImm64 } from "./object-builder.ts";

/** One relocation of one instruction. */
export interface Case {
  readonly name: string;
  /** Adds the object's types and returns the root. */
  readonly local: (types: Types) => number;
  readonly kernel: (types: Types) => void;
  readonly kind: number;
  readonly accessor: string;
  /** In hexadecimal; `after` is undefined where libbpf refuses the object. */
  readonly before: string;
  readonly after: string | undefined;
}

/** The instruction that a poisoned one becomes. */
export const POISONED = "850000001023ad0b";

/** r1 = value */
const move = (value: number): string => toHex(instruction(0xb7, 0x01, 0, value));
/** r1 = value, 64 bits */
const load64 = (value: bigint): string => toHex(loadImm64(value));
/** r1 = *(uN *)(r2 + offset) */
const load = (bits: 8 | 16 | 32 | 64, offset: number): string =>
  toHex(instruction({ 8: 0x71, 16: 0x69, 32: 0x61, 64: 0x79 }[bits], 0x21, offset, 0));
/** *(uN *)(r1 + offset) = r2 */
const store = (bits: 32 | 64, offset: number): string =>
  toHex(instruction({ 32: 0x63, 64: 0x7b }[bits], 0x21, offset, 0));
/** *(uN *)(r1 + offset) = 7 */
const storeImm = (bits: 32 | 64, offset: number): string =>
  toHex(instruction({ 32: 0x62, 64: 0x7a }[bits], 0x01, offset, 7));

/** Name, type, offset in bits, and for a bitfield its size in bits. */
type MemberInput = readonly [name: string, type: number, bitOffset: number, bitSize?: number];

/** Adds types with few words. */
export class Types {
  readonly builder: BtfBuilder = new BtfBuilder();

  int(bytes: number, signed = false): number {
    const name = `${signed ? "s" : "u"}${bytes * 8}`;
    const marks = { signed, char: false, bool: false, bitOffset: 0, bits: bytes * 8 };
    return this.builder.add({ kind: Kind.INT, name, size: bytes, ...marks });
  }

  /** Makes pointers of these types 32 bits wide. */
  narrowPointers(): void {
    const marks = { signed: false, char: false, bool: false, bitOffset: 0, bits: 32 };
    this.builder.add({ kind: Kind.INT, name: "long unsigned int", size: 4, ...marks });
  }

  pointer(type = 0): number {
    return this.builder.add({ kind: Kind.PTR, type });
  }

  array(element: number, length: number): number {
    return this.builder.add({ kind: Kind.ARRAY, element, index: element, length });
  }

  struct(name: string, size: number, ...members: MemberInput[]): number {
    return this.#composite(Kind.STRUCT, name, size, members);
  }

  union(name: string, size: number, ...members: MemberInput[]): number {
    return this.#composite(Kind.UNION, name, size, members);
  }

  forward(name: string, union = false): number {
    return this.builder.add({ kind: Kind.FWD, name, union });
  }

  typedef(name: string, type: number): number {
    return this.builder.add({ kind: Kind.TYPEDEF, name, type });
  }

  float(bytes: number): number {
    return this.builder.add({ kind: Kind.FLOAT, name: "float", size: bytes });
  }

  enum(name: string, signed: boolean, values: Readonly<Record<string, number>>): number {
    const list = Object.entries(values).map(([name, value]) => ({ name, value }));
    return this.builder.add({ kind: Kind.ENUM, name, size: 4, signed, values: list });
  }

  enum64(name: string, signed: boolean, values: Readonly<Record<string, bigint>>): number {
    const list = Object.entries(values).map(([name, value]) => ({ name, value }));
    return this.builder.add({ kind: Kind.ENUM64, name, size: 8, signed, values: list });
  }

  prototype(returns: number, ...parameters: number[]): number {
    const list = parameters.map((type) => ({ name: "", type }));
    return this.builder.add({ kind: Kind.FUNC_PROTO, returns, parameters: list });
  }

  #composite(
    kind: typeof Kind.STRUCT | typeof Kind.UNION,
    name: string,
    size: number,
    inputs: readonly MemberInput[],
  ): number {
    const members = inputs.map(([name, type, bitOffset, bitSize = 0]) => {
      return { name, type, bitOffset, bitSize };
    });
    return this.builder.add({ kind, name, size, members });
  }
}

const { FIELD_BYTE_OFFSET, FIELD_BYTE_SIZE, FIELD_EXISTS, FIELD_SIGNED } = CoreKind;
const { FIELD_LSHIFT_U64, FIELD_RSHIFT_U64, TYPE_ID_LOCAL, TYPE_ID_TARGET } = CoreKind;
const { TYPE_EXISTS, TYPE_SIZE, TYPE_MATCHES, ENUMVAL_EXISTS, ENUMVAL_VALUE } = CoreKind;

/** `struct s { u32 a; }` or with another type and offset of `a`. */
const simple =
  (name = "s", bytes = 4, bitOffset = 0, signed = false) =>
  (t: Types): number =>
    t.struct(name, 64, ["a", t.int(bytes, signed), bitOffset]);
const nothing = (t: Types): void => void t.int(4);

/** A field question about `s.a`. */
function field(
  name: string,
  kind: number,
  local: (t: Types) => number,
  kernel: (t: Types) => void,
  before: string,
  after: string | undefined,
  accessor = "0:0",
): Case {
  return { name, kind, local, kernel, accessor, before, after };
}

/** A question about a whole type. */
function type(
  name: string,
  kind: number,
  local: (t: Types) => number,
  kernel: (t: Types) => void,
  before: string,
  after: string | undefined,
): Case {
  return { name, kind, local, kernel, accessor: "0", before, after };
}

const plainFields: Case[] = [
  field("byte offset", FIELD_BYTE_OFFSET, simple(), simple("s", 4, 64), move(0), move(8)),
  field("byte size", FIELD_BYTE_SIZE, simple(), simple("s", 2), move(4), move(2)),
  field("existence", FIELD_EXISTS, simple(), simple(), move(1), move(1)),
  field("existence of what is not there", FIELD_EXISTS, simple(), nothing, move(1), move(0)),
  field("sign", FIELD_SIGNED, simple(), simple("s", 4, 0, true), move(0), move(1)),
  field("left shift", FIELD_LSHIFT_U64, simple(), simple("s", 2), move(32), move(48)),
  field("right shift", FIELD_RSHIFT_U64, simple(), simple("s", 1), move(32), move(56)),
  field("load", FIELD_BYTE_OFFSET, simple(), simple("s", 4, 96), load(32, 0), load(32, 12)),
  field("store", FIELD_BYTE_OFFSET, simple(), simple("s", 4, 96), store(32, 0), store(32, 12)),
  field(
    "store of an immediate",
    FIELD_BYTE_OFFSET,
    simple(),
    simple("s", 8, 96),
    storeImm(32, 0),
    storeImm(64, 12),
  ),
  field("two slots", FIELD_BYTE_OFFSET, simple(), simple("s", 4, 8), load64(0n), load64(1n)),
  field("a missing field", FIELD_BYTE_OFFSET, simple(), nothing, move(0), POISONED),
  field("a load of a missing field", FIELD_BYTE_OFFSET, simple(), nothing, load(32, 0), POISONED),
  field(
    "both slots of a missing field",
    FIELD_BYTE_OFFSET,
    simple(),
    nothing,
    load64(0n),
    POISONED + POISONED,
  ),
  field("size of what is missing", FIELD_BYTE_SIZE, simple(), nothing, move(4), POISONED),
];

const flavours: Case[] = [
  field(
    "a flavour of the object",
    FIELD_BYTE_OFFSET,
    simple("s___old"),
    simple("s", 4, 64),
    move(0),
    move(8),
  ),
  field(
    "a flavour of the kernel",
    FIELD_BYTE_OFFSET,
    simple(),
    simple("s___2", 4, 64),
    move(0),
    move(8),
  ),
  field(
    "only the last three underscores begin a flavour",
    FIELD_EXISTS,
    simple("s___x___y"),
    simple("s___x___z"),
    move(1),
    move(1),
  ),
  field(
    "an earlier flavour is part of the name",
    FIELD_EXISTS,
    simple("s___x___y"),
    simple("s"),
    move(1),
    move(0),
  ),
  field(
    "leading underscores begin none",
    FIELD_EXISTS,
    simple("___x"),
    simple("___x"),
    move(1),
    move(1),
  ),
  field(
    "four underscores begin none",
    FIELD_EXISTS,
    simple("s____x"),
    simple("s"),
    move(1),
    move(0),
  ),
  field("members have no flavours", FIELD_EXISTS, simple(), renamed("a___x"), move(1), move(0)),
];

function renamed(member: string): (t: Types) => number {
  return (t) => t.struct("s", 8, [member, t.int(4), 0]);
}

const candidates: Case[] = [
  field(
    "two kernel types of one layout are not ambiguous",
    FIELD_BYTE_OFFSET,
    simple(),
    (t) => [simple("s", 4, 64)(t), simple("s___2", 4, 64)(t)],
    move(0),
    move(8),
  ),
  field(
    "two kernel types of different layouts are",
    FIELD_BYTE_OFFSET,
    simple(),
    (t) => [simple("s", 4, 64)(t), simple("s___2", 4, 32)(t)],
    move(0),
    undefined,
  ),
  field(
    "also where the answer would be the same",
    FIELD_BYTE_SIZE,
    simple(),
    (t) => [simple("s", 4, 64)(t), simple("s___2", 4, 32)(t)],
    move(4),
    undefined,
  ),
  field(
    "different sizes at one offset are ambiguous only when asked for",
    FIELD_BYTE_SIZE,
    simple(),
    (t) => [simple("s", 4)(t), simple("s___2", 2)(t)],
    move(4),
    undefined,
  ),
  field(
    "a kernel type without the field has no say",
    FIELD_BYTE_OFFSET,
    simple(),
    (t) => [t.struct("s", 0), simple("s___2", 4, 64)(t)],
    move(0),
    move(8),
  ),
  field(
    "a forward declaration is no candidate for a structure",
    FIELD_BYTE_OFFSET,
    simple(),
    (t) => [t.forward("s"), simple("s", 4, 64)(t)],
    move(0),
    move(8),
  ),
  field(
    "neither is a union",
    FIELD_EXISTS,
    simple(),
    (t) => t.union("s", 8, ["a", t.int(4), 0]),
    move(1),
    move(0),
  ),
  field(
    "neither is a function of that name, nor a typedef",
    FIELD_EXISTS,
    simple(),
    (t) => t.typedef("s", simple("t")(t)),
    move(1),
    move(0),
  ),
  field(
    "a typedef is a candidate for a typedef",
    FIELD_BYTE_OFFSET,
    (t) => t.typedef("s_t", t.struct("", 4, ["a", t.int(4), 0])),
    (t) => t.typedef("s_t", t.struct("", 8, ["a", t.int(4), 32])),
    move(0),
    move(4),
  ),
  field(
    "a type without a name cannot be asked for",
    FIELD_EXISTS,
    simple(""),
    nothing,
    move(1),
    undefined,
  ),
];

/** `struct s { u64 x; union { struct { u32 a; }; u64 y; }; }` */
function nested(t: Types): number {
  const inner = t.struct("", 8, ["x1", t.int(4), 0], ["a", t.int(4), 32]);
  const union = t.union("", 8, ["", inner, 0], ["y", t.int(8), 0]);
  return t.struct("s", 16, ["x", t.int(8), 0], ["", union, 64]);
}

/** `struct s { u32 n; struct e { u16 p; u16 q; } a[length]; }`, with `a` last or not. */
const arrayOf =
  (length: number, last = true, bitOffset = 32) =>
  (t: Types): number => {
    const element = t.struct("e", 4, ["p", t.int(2), 0], ["q", t.int(2), 16]);
    const member: MemberInput = ["a", t.array(element, length), bitOffset];
    const count: MemberInput = ["n", t.int(4), 0];
    return t.struct("s", 64, ...(last ? [count, member] : [member, count]));
  };

const walks: Case[] = [
  field(
    "a member of an anonymous union in the kernel, two levels down",
    FIELD_BYTE_OFFSET,
    simple(),
    nested,
    move(0),
    move(12),
  ),
  field(
    "a member of an anonymous union in the object, two levels down",
    FIELD_BYTE_OFFSET,
    nested,
    simple(),
    move(12),
    move(0),
    "0:1:0:1",
  ),
  field(
    "through a typedef and qualifiers",
    FIELD_BYTE_OFFSET,
    simple(),
    (t) => {
      const qualified = t.builder.add({ kind: Kind.CONST, type: t.typedef("u", t.int(4)) });
      return t.struct("s", 8, ["a", t.builder.add({ kind: Kind.VOLATILE, type: qualified }), 32]);
    },
    move(0),
    move(4),
  ),
  field(
    "a structure may be a union on the way",
    FIELD_BYTE_OFFSET,
    (t) => t.struct("s", 8, ["x", t.struct("", 8, ["a", t.int(4), 32]), 0]),
    (t) => t.struct("s", 8, ["x", t.union("", 8, ["a", t.int(4), 0]), 64]),
    move(4),
    move(8),
    "0:0:0",
  ),
  field(
    "an element",
    FIELD_BYTE_OFFSET,
    arrayOf(4),
    arrayOf(8, true, 64),
    move(4 + 3 * 4 + 2),
    move(8 + 3 * 4 + 2),
    "0:1:3:1",
  ),
  field(
    "an element behind the end in the kernel",
    FIELD_BYTE_OFFSET,
    arrayOf(4),
    arrayOf(3),
    move(4 + 3 * 4),
    POISONED,
    "0:1:3:0",
  ),
  field(
    "an element behind the end in the object",
    FIELD_BYTE_OFFSET,
    arrayOf(3),
    arrayOf(4),
    move(16),
    undefined,
    "0:1:3:0",
  ),
  field(
    "a flexible array has any element",
    FIELD_BYTE_OFFSET,
    arrayOf(0),
    arrayOf(0, true, 64),
    move(4 + 9 * 4),
    move(8 + 9 * 4),
    "0:1:9:0",
  ),
  field(
    "an array without elements has them only as the last member",
    FIELD_BYTE_OFFSET,
    arrayOf(0),
    arrayOf(0, false),
    move(4 + 9 * 4),
    POISONED,
    "0:1:9:0",
  ),
  field(
    "the root as an element of an array",
    FIELD_BYTE_OFFSET,
    (t) => t.struct("s", 12, ["a", t.int(4), 32]),
    (t) => t.struct("s", 20, ["a", t.int(4), 64]),
    move(3 * 12 + 4),
    move(3 * 20 + 8),
    "3:0",
  ),
  field(
    "an element of an array of arrays",
    FIELD_BYTE_OFFSET,
    (t) => t.struct("s", 24, ["a", t.array(t.array(t.int(4), 2), 3), 0]),
    (t) => t.struct("s", 60, ["a", t.array(t.array(t.int(4), 5), 3), 0]),
    move(2 * 8 + 4),
    move(2 * 20 + 4),
    "0:0:2:1",
  ),
  field(
    "an element has a size",
    FIELD_BYTE_SIZE,
    arrayOf(4),
    arrayOf(4),
    move(4),
    move(4),
    "0:1:2",
  ),
  field(
    "an element has no sign",
    FIELD_SIGNED,
    arrayOf(4),
    arrayOf(4),
    move(0),
    undefined,
    "0:1:2",
  ),
];

/** `struct s { <type> a; }` */
const holding =
  (make: (t: Types) => number) =>
  (t: Types): number =>
    t.struct("s", 64, ["a", make(t), 0]);

const kinds: Case[] = [
  ...(
    [
      ["an integer is no pointer", (t: Types) => t.int(8), (t: Types) => t.pointer(), 0],
      ["an integer is no enumeration", (t) => t.int(4), (t) => t.enum("e", false, { A: 1 }), 0],
      ["a structure is no integer", (t) => t.struct("e", 4), (t) => t.int(4), 0],
      ["an array is no pointer", (t) => t.array(t.int(4), 2), (t) => t.pointer(), 0],
      ["a pointer is any pointer", (t) => t.pointer(t.int(1)), (t) => t.pointer(), 1],
      ["a float is any float", (t) => t.float(4), (t) => t.float(8), 1],
      ["a structure is any structure", (t) => t.struct("e", 4), (t) => t.union("f", 8), 1],
      [
        "an array is one of any length",
        (t) => t.array(t.int(4), 2),
        (t) => t.array(t.int(2), 9),
        1,
      ],
      ["but not of any elements", (t) => t.array(t.int(4), 2), (t) => t.array(t.pointer(), 2), 0],
      [
        "an enumeration may become one of 64 bits",
        (t) => t.enum("e", false, { A: 1 }),
        (t) => t.enum64("e___x", false, { A: 1n }),
        1,
      ],
      [
        "an enumeration of another name is another",
        (t) => t.enum("e", false, { A: 1 }),
        (t) => t.enum("f", false, { A: 1 }),
        0,
      ],
      [
        "one without a name is any",
        (t) => t.enum("", false, { A: 1 }),
        (t) => t.enum("f", false, { A: 1 }),
        1,
      ],
    ] as const satisfies readonly [string, (t: Types) => number, (t: Types) => number, number][]
  ).map(([name, local, kernel, answer]) =>
    field(name, FIELD_EXISTS, holding(local), holding(kernel), move(1), move(answer)),
  ),
];

const sizes: Case[] = [
  field(
    "a load of an unsigned integer widens",
    FIELD_BYTE_OFFSET,
    simple("s", 4),
    simple("s", 8, 64),
    load(32, 0),
    load(64, 8),
  ),
  field(
    "and narrows",
    FIELD_BYTE_OFFSET,
    simple("s", 8),
    simple("s", 1, 64),
    load(64, 0),
    load(8, 8),
  ),
  field(
    "one of a signed integer is poisoned",
    FIELD_BYTE_OFFSET,
    simple("s", 4, 0, true),
    simple("s", 8, 0, true),
    load(32, 0),
    POISONED,
  ),
  field(
    "one that is unsigned only here is too",
    FIELD_BYTE_OFFSET,
    simple("s", 4),
    simple("s", 8, 0, true),
    load(32, 0),
    POISONED,
  ),
  field(
    "a signed integer of the same size is not",
    FIELD_BYTE_OFFSET,
    simple("s", 4),
    simple("s", 4, 64, true),
    load(32, 0),
    load(32, 8),
  ),
  field(
    "arithmetic does not mind the size",
    FIELD_BYTE_OFFSET,
    simple("s", 4, 0, true),
    simple("s", 8, 64, true),
    move(0),
    move(8),
  ),
  field(
    "a pointer of a 32-bit kernel is loaded as one",
    FIELD_BYTE_OFFSET,
    holding((t) => t.pointer()),
    (t) => [t.narrowPointers(), t.struct("s", 8, ["a", t.pointer(), 32])],
    load(64, 0),
    load(32, 4),
  ),
  field(
    "an array is loaded by its elements",
    FIELD_BYTE_OFFSET,
    holding((t) => t.array(t.int(4), 2)),
    (t) => t.struct("s", 64, ["a", t.array(t.int(4), 8), 32]),
    load(32, 0),
    load(32, 4),
  ),
  field(
    "a load of another size than the field's cannot be resized",
    FIELD_BYTE_OFFSET,
    simple("s", 4),
    simple("s", 8),
    load(64, 0),
    undefined,
  ),
  field(
    "no load has three bytes",
    FIELD_BYTE_OFFSET,
    simple("s", 4),
    simple("s", 3),
    load(32, 0),
    undefined,
  ),
];

const limits: Case[] = [
  field(
    "an offset of 32767 fits a load",
    FIELD_BYTE_OFFSET,
    simple("s", 1),
    simple("s", 1, 32767 * 8),
    load(8, 0),
    load(8, 32767),
  ),
  field(
    "one of 32768 does not",
    FIELD_BYTE_OFFSET,
    simple("s", 1),
    simple("s", 1, 32768 * 8),
    load(8, 0),
    undefined,
  ),
  field(
    "but arithmetic",
    FIELD_BYTE_OFFSET,
    simple("s", 1),
    simple("s", 1, 32768 * 8),
    move(0),
    move(32768),
  ),
  field(
    "the instruction must hold what the object's types say",
    FIELD_BYTE_OFFSET,
    simple("s", 4, 32),
    simple(),
    move(5),
    undefined,
  ),
  field(
    "arithmetic without an immediate cannot be relocated",
    FIELD_BYTE_OFFSET,
    simple(),
    simple("s", 4, 32),
    toHex(instruction(0xbf, 0x21, 0, 0)),
    undefined,
  ),
  field(
    "neither can a jump",
    FIELD_BYTE_OFFSET,
    simple(),
    simple("s", 4, 32),
    toHex(instruction(0x05, 0, 0, 0)),
    undefined,
  ),
  field(
    "an accessor with a letter",
    FIELD_BYTE_OFFSET,
    simple(),
    simple(),
    move(0),
    undefined,
    "0:x",
  ),
  field(
    "an accessor of a member that does not exist",
    FIELD_BYTE_OFFSET,
    simple(),
    simple(),
    move(0),
    undefined,
    "0:1",
  ),
  field(
    "an accessor through an integer",
    FIELD_BYTE_OFFSET,
    simple(),
    simple(),
    move(0),
    undefined,
    "0:0:0",
  ),
  field("a kind that is not known", 13, simple(), simple(), move(0), undefined),
  type("a type with an accessor", TYPE_EXISTS, simple(), simple(), move(1), move(1)),
];

/** `struct s { u32 a : size at bitOffset }` */
const bits =
  (bitOffset: number, size: number, bytes = 4, signed = false) =>
  (t: Types): number =>
    t.struct("s", 64, ["a", t.int(bytes, signed), bitOffset, size]);

const bitfields: Case[] = [
  field("the word of a bitfield", FIELD_BYTE_OFFSET, bits(3, 5), bits(67, 7), move(0), move(8)),
  field("its size", FIELD_BYTE_SIZE, bits(3, 5), bits(67, 7, 2), move(4), move(2)),
  field("its left shift", FIELD_LSHIFT_U64, bits(3, 5), bits(67, 7), move(56), move(54)),
  field("its right shift", FIELD_RSHIFT_U64, bits(3, 5), bits(67, 7), move(59), move(57)),
  field("its sign", FIELD_SIGNED, bits(3, 5), bits(3, 5, 4, true), move(0), move(1)),
  field("one over the end of a word", FIELD_BYTE_SIZE, bits(3, 5), bits(28, 8), move(4), move(8)),
  field(
    "the larger word begins earlier",
    FIELD_BYTE_OFFSET,
    bits(35, 5),
    bits(60, 2, 1),
    move(4),
    move(7),
  ),
  field(
    "one over the end of the largest word",
    FIELD_BYTE_OFFSET,
    bits(3, 5),
    bits(60, 8),
    move(0),
    undefined,
  ),
  field(
    "one that becomes plain",
    FIELD_BYTE_OFFSET,
    bits(3, 5),
    simple("s", 2, 80),
    move(0),
    move(10),
  ),
  field("its shift then", FIELD_LSHIFT_U64, bits(3, 5), simple("s", 2, 80), move(56), move(48)),
  field(
    "a plain field that becomes one",
    FIELD_RSHIFT_U64,
    simple(),
    bits(3, 5),
    move(32),
    move(59),
  ),
  field(
    "a load of a field that becomes one is poisoned",
    FIELD_BYTE_OFFSET,
    simple(),
    bits(3, 5),
    load(32, 0),
    POISONED,
  ),
  field(
    "compilers may choose another word",
    FIELD_BYTE_OFFSET,
    bits(35, 5),
    bits(35, 5),
    move(0),
    move(4),
  ),
  field("but no other sign", FIELD_SIGNED, bits(35, 5), bits(35, 5), move(1), undefined),
];

const wholeTypes: Case[] = [
  type("the id in the object", TYPE_ID_LOCAL, simple(), nothing, move(2), move(2)),
  type("its old value does not matter", TYPE_ID_LOCAL, simple(), nothing, move(99), move(2)),
  type("in two slots", TYPE_ID_LOCAL, simple(), nothing, load64(0n), load64(2n)),
  type("a type without a name has one", TYPE_ID_LOCAL, simple(""), nothing, move(2), move(2)),
  type(
    "the id in the kernel",
    TYPE_ID_TARGET,
    simple(),
    (t) => [nothing(t), nothing(t), simple()(t)],
    move(2),
    move(4),
  ),
  type("its old value does not matter", TYPE_ID_TARGET, simple(), simple(), move(99), move(2)),
  type("0 where there is none", TYPE_ID_TARGET, simple(), nothing, load64(2n), load64(0n)),
  type("existence of a type", TYPE_EXISTS, simple(), simple("s", 8), move(1), move(1)),
  type("existence of one that is not there", TYPE_EXISTS, simple(), nothing, move(1), move(0)),
  type(
    "a typedef of another kind does not exist",
    TYPE_EXISTS,
    (t) => t.typedef("n", t.int(4)),
    (t) => t.typedef("n", t.pointer()),
    move(1),
    move(0),
  ),
  type(
    "prototypes are compared by kind",
    TYPE_EXISTS,
    (t) => t.typedef("f", t.pointer(t.prototype(t.int(4), t.int(8)))),
    (t) => t.typedef("f", t.pointer(t.prototype(t.int(8), t.int(1)))),
    move(1),
    move(1),
  ),
  type(
    "and by the number of parameters",
    TYPE_EXISTS,
    (t) => t.typedef("f", t.pointer(t.prototype(t.int(4), t.int(8)))),
    (t) => t.typedef("f", t.pointer(t.prototype(t.int(4)))),
    move(1),
    move(0),
  ),
  type("the size of a type", TYPE_SIZE, simple(), (t) => t.struct("s", 300), move(64), move(300)),
  type("0 where there is none", TYPE_SIZE, simple(), nothing, move(64), move(0)),
  type(
    "a forward declaration has no size",
    TYPE_SIZE,
    (t) => t.forward("s"),
    (t) => t.forward("s"),
    move(0),
    undefined,
  ),
  type("a type that matches", TYPE_MATCHES, simple(), more, move(1), move(1)),
  type("one that lacks a member", TYPE_MATCHES, more, simple(), move(1), move(0)),
  type(
    "one with another size of integer",
    TYPE_MATCHES,
    simple(),
    simple("s", 8),
    move(1),
    move(0),
  ),
  type("one with another sign", TYPE_MATCHES, simple(), simple("s", 4, 0, true), move(1), move(0)),
  type(
    "behind a pointer a name is enough",
    TYPE_MATCHES,
    holding((t) => t.pointer(t.struct("p", 4, ["x", t.int(4), 0]))),
    holding((t) => t.pointer(t.struct("p", 0))),
    move(1),
    move(1),
  ),
  type(
    "so is a forward declaration of the same kind",
    TYPE_MATCHES,
    holding((t) => t.pointer(t.struct("p", 4))),
    holding((t) => t.pointer(t.forward("p"))),
    move(1),
    move(1),
  ),
  type(
    "but not one of a union",
    TYPE_MATCHES,
    holding((t) => t.pointer(t.struct("p", 4))),
    holding((t) => t.pointer(t.forward("p", true))),
    move(1),
    move(0),
  ),
  type(
    "the object's forward declaration may be complete in the kernel",
    TYPE_MATCHES,
    holding((t) => t.pointer(t.forward("p", true))),
    holding((t) => t.pointer(t.union("p", 4))),
    move(1),
    move(1),
  ),
  type(
    "but not as a structure where it is of a union",
    TYPE_MATCHES,
    holding((t) => t.pointer(t.forward("p", true))),
    holding((t) => t.pointer(t.struct("p", 4))),
    move(1),
    move(0),
  ),
  type(
    "arrays of other lengths do not match",
    TYPE_MATCHES,
    holding((t) => t.array(t.int(4), 2)),
    holding((t) => t.array(t.int(4), 3)),
    move(1),
    move(0),
  ),
  type(
    "enumerations match by names, not by values",
    TYPE_MATCHES,
    (t) => t.enum("e", false, { A: 1, B: 2 }),
    (t) => t.enum("e", true, { C: 0, B: 7, A___x: -9 }),
    move(1),
    move(1),
  ),
];

/** `struct s { u64 b; u32 a; }` */
function more(t: Types): number {
  return t.struct("s", 16, ["b", t.int(8), 0], ["a", t.int(4), 64]);
}

/** A question about enumerator A. */
function enumerator(
  name: string,
  kind: number,
  local: (t: Types) => number,
  kernel: (t: Types) => void,
  before: string,
  after: string | undefined,
): Case {
  return { name, kind, local, kernel, accessor: "0", before, after };
}

const enumerators: Case[] = [
  enumerator("an enumerator exists", ENUMVAL_EXISTS, small(1), small(5), move(1), move(1)),
  enumerator("one does not", ENUMVAL_EXISTS, small(1), noA, move(1), move(0)),
  enumerator("the value", ENUMVAL_VALUE, small(1), small(5), move(1), move(5)),
  enumerator("in two slots", ENUMVAL_VALUE, small(1), small(5), load64(1n), load64(5n)),
  enumerator("a negative value", ENUMVAL_VALUE, small(-1), small(-7), load64(-1n), load64(-7n)),
  enumerator("none", ENUMVAL_VALUE, small(1), noA, move(1), POISONED),
  enumerator("no enumeration", ENUMVAL_VALUE, small(1), simple("e"), move(1), POISONED),
  enumerator(
    "a flavoured name",
    ENUMVAL_VALUE,
    (t) => t.enum("e", false, { A___old: 1 }),
    (t) => t.enum("e", false, { A___new: 3 }),
    move(1),
    move(3),
  ),
  enumerator(
    "64 bits",
    ENUMVAL_VALUE,
    (t) => t.enum64("e", false, { A: 0x1_0000_0002n }),
    (t) => t.enum64("e", false, { A: 0xfedc_ba98_7654_3210n }),
    load64(0x1_0000_0002n),
    load64(0xfedc_ba98_7654_3210n),
  ),
  enumerator(
    "32 bits that become 64",
    ENUMVAL_VALUE,
    small(1),
    (t) => t.enum64("e", true, { A: -0x1_0000_0000n }),
    load64(1n),
    load64(-0x1_0000_0000n),
  ),
  enumerator(
    "64 bits are cut where the instruction has 32",
    ENUMVAL_VALUE,
    small(1),
    (t) => t.enum64("e", false, { A: 0x1_0000_0003n }),
    move(1),
    move(3),
  ),
  enumerator(
    "an unsigned value above 2^31 counts as negative",
    ENUMVAL_VALUE,
    small(1),
    (t) => t.enum("e", false, { A: 0x8000_0000 }),
    load64(1n),
    load64(-0x8000_0000n),
  ),
  { ...enumeratorBeyond(), name: "an enumerator that the object does not have" },
];

function small(value: number): (t: Types) => number {
  return (t) => t.enum("e", value < 0, { A: value });
}

function noA(t: Types): void {
  t.enum("e", false, { B: 1 });
}

function enumeratorBeyond(): Case {
  const common = enumerator("", ENUMVAL_VALUE, small(1), small(1), move(1), undefined);
  return { ...common, accessor: "1" };
}

/** All cases, by what they are about. */
export const cases: Readonly<Record<string, readonly Case[]>> = {
  "plain fields": plainFields,
  flavours,
  candidates,
  walks,
  kinds,
  sizes,
  limits,
  bitfields,
  "whole types": wholeTypes,
  enumerators,
};
