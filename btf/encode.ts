/**
 * Writing BTF: types are added one by one, get ids in that order, and become a blob of either byte
 * order.
 *
 * Types are written as they are told: nothing is deduplicated or reordered, so that ids can be
 * known before.
 *
 * @module
 */

import { hostLittleEndian } from "../src/bytes.ts";
import { Btf } from "./btf.ts";
import { KIND_FLAG } from "./decode.ts";
import { assemble } from "./header.ts";
import { Kind, MAX_VLEN } from "./kind.ts";
import { StringWriter } from "./string-writer.ts";
import type { BtfType, IntType, StructType } from "./type.ts";

/** A type to add: as `Btf` decodes it, but without id; name and attribute may be left out. */
export type NewType = Omitted<BtfType>;
type Omitted<T> = T extends BtfType
  ? Omit<T, "id" | "name" | "attribute"> & {
      readonly name?: string;
      readonly attribute?: boolean;
    }
  : never;

/** How to write BTF. */
export interface BtfBuilderOptions {
  /** What the new BTF continues: its ids and strings come after those. Default none. */
  readonly base?: Btf | undefined;
}

/**
 * Collects types and writes them.
 *
 * A type may refer to one that comes later: `typeCount` is the id that the next `add` gives.
 */
export class BtfBuilder {
  readonly #base: Btf | undefined;
  readonly #strings: StringWriter;
  readonly #words: number[] = [];
  #typeCount: number;
  /** The highest id referred to, and by whom: it must exist in the end. */
  #highest = { id: 0, by: 0 };

  constructor(options: BtfBuilderOptions = {}) {
    this.#base = options.base;
    this.#typeCount = options.base?.typeCount ?? 1;
    this.#strings =
      options.base === undefined
        ? new StringWriter()
        : new StringWriter(new Uint8Array(0), options.base.strings.end);
  }

  /** The id that the next type gets. */
  get typeCount(): number {
    return this.#typeCount;
  }

  /** The offset of a text in the string section, for records that refer to strings. */
  string(text: string): number {
    return this.#strings.add(text);
  }

  /**
   * Adds a type and returns its id.
   *
   * Throws RangeError for a number that its field has no room for.
   */
  add(type: NewType): number {
    const id = this.#typeCount;
    const start = this.#words.length;
    const highest = this.#highest;
    try {
      this.#encode(type);
    } catch (error) {
      this.#words.length = start;
      this.#highest = highest;
      throw error;
    }
    this.#typeCount++;
    return id;
  }

  /**
   * The blob, in host byte order unless said.
   *
   * Throws RangeError when a type refers to one that does not exist.
   */
  bytes(options: { readonly littleEndian?: boolean } = {}): Uint8Array {
    if (this.#highest.id >= this.#typeCount) {
      const { id, by } = this.#highest;
      throw new RangeError(`writing BTF: type ${by} refers to type ${id} of ${this.#typeCount}`);
    }
    const little = options.littleEndian ?? hostLittleEndian;
    return assemble(this.#words, this.#strings.bytes(), little);
  }

  /** The types so far, opened for reading. */
  btf(): Btf {
    return Btf.parse(this.bytes(), { base: this.#base });
  }

  #encode(type: NewType): void {
    switch (type.kind) {
      case Kind.VOID:
        throw new RangeError("adding to BTF: void is type 0 and always there");
      case Kind.INT:
        this.#start(type, 0, false, u32(type.size, "size"));
        this.#words.push(intEncoding(type));
        break;
      case Kind.PTR:
      case Kind.TYPEDEF:
      case Kind.VOLATILE:
      case Kind.CONST:
      case Kind.RESTRICT:
        this.#start(type, 0, false, this.#reference(type.type));
        break;
      case Kind.TYPE_TAG:
        this.#start(type, 0, type.attribute === true, this.#reference(type.type));
        break;
      case Kind.ARRAY:
        this.#start(type, 0, false, 0);
        this.#words.push(
          this.#reference(type.element),
          this.#reference(type.index),
          u32(type.length, "length"),
        );
        break;
      case Kind.STRUCT:
      case Kind.UNION:
        this.#members(type);
        break;
      case Kind.ENUM:
        this.#start(type, type.values.length, type.signed, u32(type.size, "size"));
        for (const { name, value } of type.values) {
          const fits = type.signed ? (value | 0) === value : value >>> 0 === value;
          if (!fits) throw outOfRange(value, `value ${name}`);
          this.#words.push(this.#strings.add(name), value >>> 0);
        }
        break;
      case Kind.ENUM64:
        this.#start(type, type.values.length, type.signed, u32(type.size, "size"));
        for (const { name, value } of type.values) {
          const wrapped = type.signed ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value);
          if (wrapped !== value) throw outOfRange(value, `value ${name}`);
          this.#words.push(
            this.#strings.add(name),
            Number(BigInt.asUintN(32, value)),
            Number(BigInt.asUintN(32, value >> 32n)),
          );
        }
        break;
      case Kind.FWD:
        this.#start(type, 0, type.union, 0);
        break;
      case Kind.FUNC:
        this.#start(type, type.linkage, false, this.#reference(type.type));
        break;
      case Kind.FUNC_PROTO:
        this.#start(type, type.parameters.length, false, this.#reference(type.returns));
        for (const parameter of type.parameters) {
          this.#words.push(this.#strings.add(parameter.name), this.#reference(parameter.type));
        }
        break;
      case Kind.VAR:
        this.#start(type, 0, false, this.#reference(type.type));
        this.#words.push(u32(type.linkage, "linkage"));
        break;
      case Kind.DATASEC:
        this.#start(type, type.variables.length, false, u32(type.size, "size"));
        for (const variable of type.variables) {
          this.#words.push(
            this.#reference(variable.type),
            u32(variable.offset, "offset"),
            u32(variable.size, "size"),
          );
        }
        break;
      case Kind.FLOAT:
        this.#start(type, 0, false, u32(type.size, "size"));
        break;
      case Kind.DECL_TAG:
        this.#start(type, 0, type.attribute === true, this.#reference(type.type));
        if ((type.component | 0) !== type.component) throw outOfRange(type.component, "component");
        this.#words.push(type.component >>> 0);
        break;
    }
  }

  /** The three words that every type begins with: struct btf_type. */
  #start(type: NewType, count: number, flag: boolean, third: number): void {
    if (!(count >= 0 && count <= MAX_VLEN && Number.isInteger(count))) {
      throw outOfRange(count, "number of elements");
    }
    const info = type.kind * 0x0100_0000 + count + (flag ? KIND_FLAG : 0);
    this.#words.push(this.#strings.add(type.name ?? ""), info, third);
  }

  #members(type: Omitted<StructType>): void {
    const bitfields = type.members.some(({ bitSize }) => bitSize !== 0);
    this.#start(type, type.members.length, bitfields, u32(type.size, "size"));
    for (const { name, type: id, bitOffset, bitSize } of type.members) {
      if (bitfields && !(bitOffset <= 0xffffff))
        throw outOfRange(bitOffset, `bit offset of ${name}`);
      if (!(bitSize >= 0 && bitSize <= 0xff && Number.isInteger(bitSize))) {
        throw outOfRange(bitSize, `bit size of ${name}`);
      }
      this.#words.push(
        this.#strings.add(name),
        this.#reference(id),
        u32(bitOffset, "bit offset") + bitSize * 0x0100_0000,
      );
    }
  }

  #reference(id: number): number {
    if (u32(id, "type") > this.#highest.id) this.#highest = { id, by: this.#typeCount };
    return id;
  }
}

function intEncoding(type: Omitted<IntType>): number {
  const { bitOffset, bits } = type;
  if (bitOffset >>> 0 !== bitOffset || bitOffset > 0xff) throw outOfRange(bitOffset, "bit offset");
  if (bits >>> 0 !== bits || bits > 0xff) throw outOfRange(bits, "bits");
  const flags = (type.signed ? 1 : 0) | (type.char ? 2 : 0) | (type.bool ? 4 : 0);
  return (flags << 24) | (bitOffset << 16) | bits;
}

function u32(value: number, what: string): number {
  if (value >>> 0 !== value) throw outOfRange(value, what);
  return value;
}

function outOfRange(value: number | bigint, what: string): RangeError {
  return new RangeError(`adding to BTF: ${what} ${value} does not fit its field`);
}
