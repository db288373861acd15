/**
 * Random types with values for them, and the bytes that a compiler would make of both, computed the
 * slow and plain way: bit by bit. Shares no code with the codec.
 *
 * @module
 */

import * as fc from "fast-check";
import { Kind } from "../../btf/kind.ts";
import type { MemberInput, Types } from "./codec-types.ts";

/** A type, where it is in the BTF being built, and what can be its value. */
export interface Model {
  readonly id: number;
  readonly size: number;
  readonly alignment: number;
  readonly values: fc.Arbitrary<unknown>;
  /** Puts a value into memory, `bit` bits from its start. */
  readonly put: (memory: Memory, bit: number, value: unknown) => void;
  /** Names and values of an anonymous structure or union. */
  readonly members?: fc.Arbitrary<Record<string, unknown>>;
  /** Whether it is a structure without any: a view that cannot be given. */
  readonly bare?: boolean;
}

/** Zeroed bytes in which bits are counted as bitfields are. */
export class Memory {
  readonly bytes: Uint8Array;
  readonly little: boolean;

  constructor(size: number, little: boolean) {
    this.bytes = new Uint8Array(size);
    this.little = little;
  }

  /**
   * The low `bits` bits of `value`, from bit `bit` on: the lowest first, or on big-endian machines
   * the highest.
   */
  put(bit: number, bits: number, value: bigint): void {
    for (let index = 0; index < bits; index++) {
      const place = this.little ? index : bits - 1 - index;
      if (((value >> BigInt(place)) & 1n) === 0n) continue;
      const at = bit + index;
      this.bytes[at >> 3]! |= this.little ? 1 << (at & 7) : 0x80 >> (at & 7);
    }
  }
}

/** Draws one of `count` choices. */
type Draw = (count: number) => number;

const ODD_NAMES = ["__proto__", "constructor", "toString", "a b", 'q"', "'`\\", "1", "ünï"];

/** Builds random types into one BTF; `numbers` decides everything, in the order of use. */
export class ModelMaker {
  readonly types: Types;
  readonly #numbers: readonly number[];
  #used = 0;
  #names = 0;

  constructor(types: Types, numbers: readonly number[]) {
    this.types = types;
    this.#numbers = numbers;
  }

  /** Any type; `depth` more levels may lie in it. */
  any(depth: number): Model {
    const leaf = depth === 0 || this.#draw(3) === 0;
    const model = leaf ? this.#leaf() : this.#nested(depth);
    if (this.#draw(5) !== 0) return model;
    const kinds = [Kind.CONST, Kind.VOLATILE, Kind.RESTRICT] as const;
    const kind = kinds[this.#draw(4)];
    const id =
      kind === undefined
        ? this.types.typedef("alias", model.id)
        : this.types.add({ kind, type: model.id });
    return { ...model, id };
  }

  /** A structure or union. */
  record(depth: number, name: string): Model {
    return this.#draw(4) === 0 ? this.#union(depth, name) : this.#struct(depth, name);
  }

  readonly #draw: Draw = (count) => {
    const number = this.#numbers[this.#used++ % this.#numbers.length]!;
    return number % count;
  };

  #name(): string {
    const number = this.#names++;
    return this.#draw(8) === 0
      ? `${ODD_NAMES[number % ODD_NAMES.length]}${number > 7 ? number : ""}`
      : `m${number}`;
  }

  #leaf(): Model {
    const { types } = this;
    switch (this.#draw(8)) {
      case 0:
        return {
          ...fixed(types.bool, 1),
          values: fc.boolean(),
          put: (memory, bit, value) => memory.put(bit, 8, value === true ? 1n : 0n),
        };
      case 1:
        return {
          ...fixed(types.f32, 4),
          values: fc.float({ noNaN: true }),
          put: (memory, bit, value) => memory.put(bit, 32, float32Bits(value as number)),
        };
      case 2:
        return {
          ...fixed(types.f64, 8),
          values: fc.double({ noNaN: true }),
          put: (memory, bit, value) => memory.put(bit, 64, float64Bits(value as number)),
        };
      case 3:
        return this.#text(this.#draw(40));
      case 4:
        return this.#bytes(this.#draw(20));
      default:
        return this.#integer();
    }
  }

  #integer(): Model {
    const { types } = this;
    const enumeration = (size: 1 | 4, signed: boolean) =>
      types.add({ kind: Kind.ENUM, name: "e", size, signed, values: [] });
    const enumeration64 = () =>
      types.add({ kind: Kind.ENUM64, name: "e", size: 8, signed: true, values: [] });
    const all: [() => number, number, boolean][] = [
      [() => types.u8, 1, false],
      [() => types.s8, 1, true],
      [() => types.u16, 2, false],
      [() => types.s16, 2, true],
      [() => types.u32, 4, false],
      [() => types.s32, 4, true],
      [() => types.u64, 8, false],
      [() => types.s64, 8, true],
      [() => types.u128, 16, false],
      [() => types.s128, 16, true],
      [() => types.pointer, 8, false],
      [() => enumeration(4, true), 4, true],
      [() => enumeration(1, false), 1, false],
      [enumeration64, 8, true],
    ];
    const [id, size, signed] = all[this.#draw(all.length)]!;
    return integerModel(id(), size, size * 8, signed);
  }

  #text(length: number): Model {
    const encoder = new TextEncoder();
    const fit = (text: string) => {
      let kept = "";
      const wellFormed = new TextDecoder("utf-8", { ignoreBOM: true }).decode(encoder.encode(text));
      for (const character of wellFormed.replaceAll("\0", "")) {
        if (encoder.encode(kept + character).length > length) break;
        kept += character;
      }
      return kept;
    };
    return {
      ...fixed(this.types.array(this.types.char, length), length, 1),
      values: fc.oneof(fc.string(), fc.string({ unit: "binary" })).map(fit),
      put: (memory, bit, value) => {
        for (const [index, byte] of encoder.encode(value as string).entries()) {
          memory.put(bit + index * 8, 8, BigInt(byte));
        }
      },
    };
  }

  #bytes(length: number): Model {
    return {
      ...fixed(this.types.array(this.types.u8, length), length, 1),
      values: fc.uint8Array({ minLength: length, maxLength: length }),
      put: (memory, bit, value) => {
        for (const [index, byte] of (value as Uint8Array).entries()) {
          memory.put(bit + index * 8, 8, BigInt(byte));
        }
      },
    };
  }

  #nested(depth: number): Model {
    if (this.#draw(3) !== 0) return this.record(depth - 1, "inner");
    const element = this.any(depth - 1);
    // Bytes and characters would be something else than arrays.
    if (element.size <= 1) return element;
    const length = this.#draw(12);
    return {
      ...fixed(this.types.array(element.id, length), element.size * length, element.alignment),
      values: fc.array(element.values, { minLength: length, maxLength: length }),
      put: (memory, bit, value) => {
        for (const [index, one] of (value as unknown[]).entries()) {
          element.put(memory, bit + index * element.size * 8, one);
        }
      },
    };
  }

  #struct(depth: number, name: string): Model {
    const inputs: MemberInput[] = [];
    const parts: { name: string; bit: number; model: Model }[] = [];
    const packed = this.#draw(5) === 0;
    let bit = 0;
    let alignment = 1;
    for (let left = this.#draw(6); left > 0; left--) {
      if (this.#draw(3) === 0) {
        const model = this.#bitfield();
        // As compilers do it: none crosses more storage units than it must, but when packed any
        // goes.
        const unit = model.size * 8;
        if (!packed && Math.floor(bit / unit) !== Math.floor((bit + model.bits - 1) / unit)) {
          bit = Math.ceil(bit / unit) * unit;
        }
        const padding = this.#draw(6) === 0;
        const own = padding ? "" : this.#name();
        inputs.push([own, model.id, bit, model.bits]);
        if (!padding) parts.push({ name: own, bit, model });
        bit += model.bits;
        if (!packed) alignment = Math.max(alignment, model.alignment);
        continue;
      }
      const anonymous = depth > 0 && this.#draw(4) === 0;
      const model = anonymous ? this.record(depth - 1, "") : this.any(depth);
      const unit = packed ? 8 : model.alignment * 8;
      bit = Math.ceil(bit / unit) * unit;
      const own = anonymous ? "" : this.#name();
      inputs.push([own, model.id, bit]);
      parts.push({ name: own, bit, model });
      bit += model.size * 8;
      if (!packed) alignment = Math.max(alignment, model.alignment);
    }
    const size = Math.ceil(bit / 8 / alignment) * alignment;
    const id = this.types.struct(name, size, inputs);
    const members = fc
      .tuple(...parts.map((part) => valuesOf(part)))
      .map((values) => merged(values));
    return {
      ...fixed(id, size, alignment),
      values: members,
      members,
      bare: parts.every((part) => part.name === "" && part.model.bare === true),
      put: (memory, start, value) => {
        for (const part of parts) put(part, memory, start + part.bit, value);
      },
    };
  }

  #union(depth: number, name: string): Model {
    const views: { name: string; bit: number; model: Model }[] = [];
    let size = 0;
    let alignment = 1;
    for (let left = 1 + this.#draw(3); left > 0; left--) {
      const wanted = depth > 0 && this.#draw(4) === 0;
      const model = wanted ? this.record(depth - 1, "") : this.any(depth);
      const anonymous = wanted && model.bare !== true;
      views.push({ name: anonymous ? "" : this.#name(), bit: 0, model });
      size = Math.max(size, model.size);
      alignment = Math.max(alignment, model.alignment);
    }
    size = Math.ceil(size / alignment) * alignment;
    const id = this.types.union(
      name,
      size,
      views.map((view) => [view.name, view.model.id, 0] as const),
    );
    const members = fc.oneof(...views.map((view) => valuesOf(view)));
    return {
      ...fixed(id, size, alignment),
      values: members,
      members,
      put: (memory, start, value) => {
        for (const view of views) put(view, memory, start, value);
      },
    };
  }

  #bitfield(): Model & { bits: number } {
    const { types } = this;
    const kinds: [number, number, boolean][] = [
      [types.u8, 1, false],
      [types.u16, 2, false],
      [types.u32, 4, false],
      [types.s32, 4, true],
      [types.u64, 8, false],
      [types.s64, 8, true],
    ];
    const [id, size, signed] = kinds[this.#draw(kinds.length)]!;
    const bits = 1 + this.#draw(size * 8);
    return { ...integerModel(id, size, bits, signed), bits };
  }
}

interface Part {
  readonly name: string;
  readonly model: Model;
}

/** What the member adds to its structure's object: itself, or if anonymous its own members. */
function valuesOf({ name, model }: Part): fc.Arbitrary<Record<string, unknown>> {
  return name === "" ? model.members! : model.values.map((value) => ownProperty(name, value));
}

function put({ name, model }: Part, memory: Memory, bit: number, value: unknown): void {
  if (name === "") model.put(memory, bit, value);
  else if (Object.hasOwn(value as object, name)) {
    model.put(memory, bit, (value as Record<string, unknown>)[name]);
  }
}

/** An object with the one property, even `__proto__`. */
function ownProperty(name: string, value: unknown): Record<string, unknown> {
  return Object.fromEntries([[name, value]]) as Record<string, unknown>;
}

function merged(objects: readonly Record<string, unknown>[]): Record<string, unknown> {
  return Object.fromEntries(objects.flatMap((object) => Object.entries(object)));
}

function fixed(
  id: number,
  size: number,
  alignment: number = Math.min(size, 8),
): { id: number; size: number; alignment: number } {
  return { id, size, alignment };
}

function integerModel(id: number, size: number, bits: number, signed: boolean): Model {
  const low = signed ? -(1n << BigInt(bits - 1)) : 0n;
  const high = low + (1n << BigInt(bits)) - 1n;
  const values = fc.bigInt(low, high);
  return {
    ...fixed(id, size),
    values: size <= 4 ? values.map(Number) : values,
    put: (memory, bit, value) => memory.put(bit, bits, BigInt(value as number | bigint)),
  };
}

function float32Bits(value: number): bigint {
  return BigInt(new Uint32Array(new Float32Array([value]).buffer)[0]!);
}

function float64Bits(value: number): bigint {
  return new BigUint64Array(new Float64Array([value]).buffer)[0]!;
}
