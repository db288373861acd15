/**
 * What the tests of codecs share: C's types in a builder, and a codec in both of its back-ends.
 *
 * @module
 */

import type { Btf } from "../../btf/btf.ts";
import type { Codec, CodecOptions, ViewCodec } from "../../btf/codec.ts";
import type { Backend, BackendOptions } from "../../btf/codec-backend.ts";
import { recordDecoder } from "../../btf/codec-backend.ts";
import { compilePlan } from "../../btf/codec-compile.ts";
import { encoderOf } from "../../btf/codec-encode.ts";
import { generate } from "../../btf/codec-generate.ts";
import { interpret } from "../../btf/codec-interpret.ts";
import { BtfBuilder } from "../../btf/encode.ts";
import { Kind } from "../../btf/kind.ts";

/** A member: name, type, offset in bits, size in bits for a bitfield. */
export type MemberInput = readonly [
  name: string,
  type: number,
  bitOffset: number,
  bitSize?: number,
];

/** A builder with C's basic types in it. */
export class Types extends BtfBuilder {
  readonly u8: number = this.int("unsigned char", 1, false);
  readonly u16: number = this.int("unsigned short", 2, false);
  readonly u32: number = this.int("unsigned int", 4, false);
  readonly u64: number = this.int("unsigned long long", 8, false);
  readonly u128: number = this.int("unsigned __int128", 16, false);
  readonly s8: number = this.int("signed char", 1, true);
  readonly s16: number = this.int("short", 2, true);
  readonly s32: number = this.int("int", 4, true);
  readonly s64: number = this.int("long long", 8, true);
  readonly s128: number = this.int("__int128", 16, true);
  readonly char: number = this.int("char", 1, true);
  readonly bool: number = this.int("_Bool", 1, false, { bool: true });
  readonly f32: number = this.add({ kind: Kind.FLOAT, name: "float", size: 4 });
  readonly f64: number = this.add({ kind: Kind.FLOAT, name: "double", size: 8 });
  readonly pointer: number = this.add({ kind: Kind.PTR, type: 0 });

  int(
    name: string,
    size: number,
    signed: boolean,
    more: { bool?: boolean; char?: boolean; bitOffset?: number; bits?: number } = {},
  ): number {
    const { bool = false, char = false, bitOffset = 0, bits = size * 8 } = more;
    return this.add({ kind: Kind.INT, name, size, signed, char, bool, bitOffset, bits });
  }

  array(element: number, length: number): number {
    return this.add({ kind: Kind.ARRAY, element, index: this.u32, length });
  }

  typedef(name: string, type: number): number {
    return this.add({ kind: Kind.TYPEDEF, name, type });
  }

  struct(name: string, size: number, members: readonly MemberInput[]): number {
    return this.#record(Kind.STRUCT, name, size, members);
  }

  union(name: string, size: number, members: readonly MemberInput[]): number {
    return this.#record(Kind.UNION, name, size, members);
  }

  #record(
    kind: typeof Kind.STRUCT | typeof Kind.UNION,
    name: string,
    size: number,
    members: readonly MemberInput[],
  ): number {
    const list = members.map(([member, type, bitOffset, bitSize = 0]) => {
      return { name: member, type, bitOffset, bitSize };
    });
    return this.add({ kind, name, size, members: list });
  }
}

/** A codec made by one back-end; `root` in messages is `value`. */
export interface NamedCodec extends ViewCodec {
  readonly backend: "generated" | "interpreted";
}

/** The same codec by both back-ends, so that each test covers both. */
export function bothCodecs(btf: Btf, id: number, options: CodecOptions = {}): NamedCodec[] {
  const { int64, wholeText = false } = options;
  const plan = compilePlan(btf, id, { safe: int64 === "number", wholeText });
  const little = options.littleEndian ?? btf.littleEndian;
  const make = (backend: NamedCodec["backend"], by: (input: BackendOptions) => Backend) => {
    const input = { plan, little, root: "value" };
    const {
      decode,
      decodeView,
      decodeRecords = recordDecoder(decodeView, plan.size),
      write,
      encode = encoderOf(write, input),
    } = by(input);
    return { backend, size: plan.size, typeName: "", decode, decodeView, decodeRecords, encode };
  };
  return [make("generated", generate), make("interpreted", interpret)];
}

/** Bytes from hexadecimal digits, spaces allowed. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(text.replaceAll(/\s/g, "").match(/../g) ?? [], (byte) =>
    parseInt(byte, 16),
  );
}

/** What a codec writes, in memory that was all ones before. */
export function encoded(codec: Codec, value: unknown, size: number = codec.size): Uint8Array {
  const bytes = new Uint8Array(size).fill(0xff);
  codec.encode(value, bytes);
  return bytes;
}

/** Constructor and message of what a function throws; undefined when it does not. */
export function thrown(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    const { name, message } = error as Error;
    return `${name}: ${message}`;
  }
}

/** A structure with padding, as most tests use it. */
export function eventTypes(): { types: Types; event: number; btf: Btf } {
  const types = new Types();
  const comm = types.array(types.char, 16);
  const event = types.struct("event", 40, [
    ["pid", types.u32, 0],
    ["uid", types.u32, 32],
    ["ts", types.u64, 64],
    ["comm", comm, 128],
    ["ret", types.s32, 256],
  ]);
  return { types, event, btf: types.btf() };
}

/** A value of it, and its bytes. */
export const eventValue: { pid: number; uid: number; ts: bigint; comm: string; ret: number } = {
  pid: 7,
  uid: 1000,
  ts: 1n << 40n,
  comm: "bash",
  ret: -2,
};
export const eventBytes: Uint8Array = hex(
  "07000000 e8030000 0000000000010000 62617368 00000000 00000000 00000000 feffffff 00000000",
);
