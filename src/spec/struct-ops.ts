/**
 * What a struct_ops map holds before loading: a structure of the kernel's, of which the functions are programs of the object.
 *
 * @module
 */

import {
  type Btf,
  type Codec,
  codecOf,
  essentialName,
  Kind,
  resolve,
  sizeOf,
} from "../../btf/index.ts";
import { didYouMean, nearMatches } from "../near-matches.ts";

/** Forged anonymous members can nest so that there are more of them than anybody could count. */
const MAX_MEMBERS = 65_536;

/** A function table before loading: values of its members, and names of programs where they are functions. */
export class StructOpsSpec {
  /** The kernel's name of the structure, such as `tcp_congestion_ops`, without a flavour (`___v2`) of the object's. */
  readonly kernelType: string;
  readonly #btf: Btf;
  readonly #type: number;
  readonly #bytes: Uint8Array;
  /** Members of function type, each with the name of its program in the object, null without one. */
  readonly #functions: Map<string, string | null>;
  #members: Record<string, unknown> | undefined;

  constructor(fields: {
    btf: Btf;
    type: number;
    bytes: Uint8Array;
    functions: Map<string, string | null>;
  }) {
    this.kernelType = essentialName(fields.btf.name(fields.type));
    this.#btf = fields.btf;
    this.#type = fields.type;
    this.#bytes = fields.bytes;
    this.#functions = fields.functions;
  }

  /**
   * The members by name, for reading and changing before loading: of functions the name of a program
   * or null, of others the value that their type says.
   *
   * @throws BtfError when the type of the structure makes no sense.
   */
  get members(): Record<string, unknown> {
    if (this.#members === undefined) {
      const decoded = this.#codec().decode(this.#bytes);
      this.#members = Object.assign(Object.create(null), decoded) as Record<string, unknown>;
      for (const [name, program] of this.#functions) this.#members[name] = program;
    }
    return this.#members;
  }

  /**
   * Names of the programs of function members, null without one.
   *
   * @throws TypeError for what is neither a name nor null.
   */
  functions(): Record<string, string | null> {
    const functions: Record<string, string | null> = Object.create(null);
    for (const [name, program] of this.#functions) {
      const value = this.#members === undefined ? program : (this.#members[name] ?? null);
      if (value !== null && typeof value !== "string") {
        throw new TypeError(
          `member ${name} of struct ${this.kernelType} is a function: give it the name of a program, or null`,
        );
      }
      functions[name] = value;
    }
    return functions;
  }

  /**
   * The structure as the object's types lay it out, functions zero.
   *
   * @throws TypeError for a missing or unknown member or one of a wrong type, RangeError for a value
   *   that does not fit; both name the member.
   */
  bytes(): Uint8Array {
    if (this.#members === undefined) return new Uint8Array(this.#bytes);
    const value: Record<string, unknown> = { ...this.#members };
    const known = this.#codec().decode(this.#bytes);
    for (const name of Object.keys(value)) {
      if (Object.hasOwn(known, name)) continue;
      const hint = didYouMean(nearMatches(name, Object.keys(known)));
      throw new TypeError(`struct ${this.kernelType} has no member ${name}${hint}`);
    }
    for (const [name, offset, size] of places(this.#btf, this.#type)) {
      // Text that is none, for one, would not survive: what nobody changed is kept as bytes.
      if (same(value[name], known[name])) value[name] = this.#bytes.slice(offset, offset + size);
    }
    for (const name of this.#functions.keys()) value[name] = 0n;
    const bytes = new Uint8Array(this.#bytes.length);
    this.#codec().encode(value, bytes);
    return bytes;
  }

  #codec(): Codec<Record<string, unknown>> {
    return codecOf(this.#btf, this.#type) as Codec<Record<string, unknown>>;
  }
}

/** Members that are structures, unions or arrays, with offset and size in bytes; anonymous ones are gone through. */
function* places(
  btf: Btf,
  id: number,
  base = 0,
  room = { members: MAX_MEMBERS },
): Generator<[string, number, number]> {
  const struct = btf.type(id);
  if (struct.kind !== Kind.STRUCT && struct.kind !== Kind.UNION) return;
  for (const { name, type, bitOffset } of struct.members) {
    if (--room.members < 0) return;
    const target = resolve(btf, type);
    const kind = btf.kind(target);
    if (kind !== Kind.STRUCT && kind !== Kind.UNION && kind !== Kind.ARRAY) continue;
    const offset = base + bitOffset / 8;
    if (name === "") yield* places(btf, target, offset, room);
    else yield [name, offset, sizeOf(btf, target)];
  }
}

/** Whether two decoded values are the same, all the way down. */
function same(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) {
    return false;
  }
  const keys = Object.keys(one);
  if (Array.isArray(one) !== Array.isArray(other)) return false;
  if (keys.length !== Object.keys(other).length) return false;
  return keys.every((key) => same(Reflect.get(one, key), Reflect.get(other, key)));
}
