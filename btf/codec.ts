/**
 * Codecs: BTF types turned into functions between the kernel's bytes and JavaScript values.
 *
 * | C | JavaScript |
 * |---|---|
 * | integers to 32 bits, enumerations | number |
 * | 64 and 128 bits, pointers | bigint, or by option number |
 * | bool | boolean |
 * | float, double | number |
 * | `char[N]` | string, cut at the first NUL; a byte that is no UTF-8 is U+DC00 and the byte |
 * | `unsigned char[N]`, types without a known layout | Uint8Array, a copy |
 * | other arrays | Array |
 * | structures, data sections | object, the members of anonymous members among its own |
 * | unions | object of all views |
 *
 * A bitfield becomes what its declared type becomes. A flexible array at the end gets the rest of a
 * longer record.
 *
 * @module
 */

import type { Btf } from "./btf.ts";
import type { Backend, BackendOptions, RecordCursor } from "./codec-backend.ts";
import { recordDecoder } from "./codec-backend.ts";
import { bytesPlan, compilePlan } from "./codec-compile.ts";
import { encoderOf } from "./codec-encode.ts";
import { generate } from "./codec-generate.ts";
import { interpret } from "./codec-interpret.ts";
import { fieldCount } from "./codec-plan.ts";
import { typeName } from "./print.ts";

/** Turns bytes of one type into values and back. The functions need no `this`. */
export interface Codec<T = unknown> {
  /** Bytes that a value takes, without the elements of a flexible array. */
  readonly size: number;
  /** The type as C names it, such as `struct event`. */
  readonly typeName: string;
  /**
   * The value at `offset` (default 0); a copy that shares nothing with the bytes.
   *
   * Bytes from the value's size up to `end` (default: all) go to a flexible array, if the type has
   * one. The codec keeps the last buffer that it was given, hence it is quickest when called again
   * with the same array.
   *
   * Throws RangeError when the bytes end too soon, and with `int64: "number"` at a value of 2^53 or
   * more.
   */
  decode(bytes: Uint8Array, offset?: number, end?: number): T;
  /**
   * Writes a value at `offset` (default 0), all padding zero.
   *
   * Integers are taken from numbers or bigints that fit; structures, unions and arrays also from a
   * Uint8Array of their size. All members of a structure must be given, and no others. Of a union
   * one view is given, or several that agree.
   *
   * Throws TypeError for a wrong type and a missing or unknown member, RangeError for a value that
   * does not fit and for too few bytes, both with the path of the field. Writes nothing then.
   */
  encode(value: T, bytes: Uint8Array, offset?: number): void;
}

/** A codec that decodes from a DataView as well, as those made here do. */
export interface ViewCodec<T = unknown> extends Codec<T> {
  /**
   * The value at `offset` of a view, as `decode`, where `end` is by default the end of the value; a little quicker.
   *
   * Padding at the value's end is not tested to lie in the view, only in what `end` bounds.
   */
  decodeView(view: DataView, offset: number, end?: number): T;
  /**
   * Decodes the records that a cursor goes over, as `values[from]` to before `values[to]`, and gives the
   * index of the first that it did not fill. Ends before a record that has fewer bytes than the type, or
   * cannot be decoded, and after some 256 KiB.
   */
  decodeRecords(
    cursor: RecordCursor,
    view: DataView,
    values: T[],
    from: number,
    to: number,
  ): number;
}

/** How values look. */
export interface CodecOptions {
  /** What 64-bit and wider integers become. Default "bigint"; "number" refuses 2^53 and beyond. */
  readonly int64?: "bigint" | "number" | undefined;
  /**
   * Whether text goes on behind a NUL, to the last byte of its array that is not zero, so that all
   * that differs decodes to something else, as keys of maps need it. Default false.
   */
  readonly wholeText?: boolean | undefined;
  /** Byte order of the values. Default: that of the BTF. */
  readonly littleEndian?: boolean | undefined;
}

/** Above so many members, all nested ones counted, generated code would cost more than it gains. */
const MAX_GENERATED = 8192;

const known: WeakMap<Btf, Map<string, ViewCodec>> = new WeakMap();

/**
 * The codec of a BTF type, made once for each type and set of options.
 *
 * Throws BtfError for a type that has no values or no bounded decoding, TypeError for an unknown
 * option.
 */
export function codecOf(btf: Btf, typeId: number, options: CodecOptions = {}): ViewCodec {
  const {
    int64 = "bigint",
    wholeText = false,
    littleEndian = btf.littleEndian,
    ...unknown
  } = options;
  for (const name of Object.keys(unknown)) throw new TypeError(`codec option ${name} is not known`);
  if (int64 !== "bigint" && int64 !== "number") {
    throw new TypeError(`codec option int64 is ${String(int64)}, not "bigint" or "number"`);
  }
  if (typeof wholeText !== "boolean") {
    throw new TypeError(`codec option wholeText is ${typeof wholeText}, not true or false`);
  }
  let codecs = known.get(btf);
  if (codecs === undefined) {
    codecs = new Map();
    known.set(btf, codecs);
  }
  const key = `${typeId} ${int64} ${littleEndian} ${wholeText}`;
  let codec = codecs.get(key);
  if (codec === undefined) {
    const plan = compilePlan(btf, typeId, { safe: int64 === "number", wholeText });
    const name = typeName(btf, typeId);
    codec = makeCodec({ plan, little: littleEndian, root: rootOf(name) }, name);
    codecs.set(key, codec);
  }
  return codec;
}

/** A codec that copies `size` bytes, for values of which nothing more is known. */
export function bytesCodec(size: number): ViewCodec<Uint8Array> {
  if (!Number.isInteger(size) || size < 0 || size > 0xffff_ffff) {
    throw new RangeError(`bytes codec of size ${size}: expected 0 … 4294967295`);
  }
  const options = { plan: bytesPlan(size), little: true, root: "value" };
  return makeCodec(options, `unsigned char[${size}]`) as ViewCodec<Uint8Array>;
}

function makeCodec(options: BackendOptions, name: string): ViewCodec {
  const {
    decode,
    decodeView,
    decodeRecords = recordDecoder(decodeView, options.plan.size),
    write,
    encode = encoderOf(write, options),
  } = backendOf(options);
  return { size: options.plan.size, typeName: name, decode, decodeView, decodeRecords, encode };
}

function backendOf(options: BackendOptions): Backend {
  if (fieldCount(options.plan) <= MAX_GENERATED) {
    try {
      return generate(options);
    } catch (error) {
      if (!(error instanceof EvalError)) throw error;
    }
  }
  return interpret(options);
}

/**
 * What paths in messages start with: `event` for `struct event`, `value` where there is no name.
 */
function rootOf(name: string): string {
  const match = /^(?:const |volatile )*(?:struct|union|enum) (.*)$/.exec(name);
  const short = match?.[1] ?? name;
  return short.startsWith("{") || short === "" ? "value" : short;
}
