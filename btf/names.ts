/**
 * Finding types by name: a hash over essential names, made when first asked, that keeps no strings.
 *
 * An essential name is a name without its flavour, as CO-RE compares them: `task_struct___old` is a
 * `task_struct`.
 *
 * @module
 */

import { Kind, MAX_KIND } from "./kind.ts";
import { endOf, MAX_NAME, type StringTable } from "./strings.ts";

const utf8 = new TextEncoder();
const UNDERSCORE = 0x5f;
const FNV_PRIME = 0x0100_0193;

/**
 * A name without its flavour: everything before the last three underscores that stand between two
 * other characters.
 *
 * As libbpf's bpf_core_essential_name_len, so `x____y`, `___x` and `x___` have none.
 */
export function essentialName(name: string): string {
  for (let at = name.lastIndexOf("___"); at > 0; at = name.lastIndexOf("___", at - 1)) {
    const after = name[at + 3];
    if (after !== undefined && after !== "_" && name[at - 1] !== "_") return name.slice(0, at);
  }
  return name;
}

/**
 * The kinds that have names and can be the root of a CO-RE relocation. The other names (functions,
 * variables, sections, tags) outnumber them five to one in a kernel and are seldom sought, so that
 * they have a table of their own.
 */
export const isNamedKind: Uint8Array = (() => {
  const table = new Uint8Array(MAX_KIND + 1);
  for (const kind of [Kind.INT, Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.ENUM64]) table[kind] = 1;
  for (const kind of [Kind.FWD, Kind.TYPEDEF, Kind.FLOAT]) table[kind] = 1;
  return table;
})();

/** Lists of names that begin alike: as many as pairs of letters can be told apart by. */
const BUCKETS = 0x1000;

/** Searches of a bucket before it is worth hashing its names. */
const PATIENCE = 8;

/**
 * Names of some of the own types of a blob; a type is meant by its number from the first own id on.
 *
 * Making the index is what a program waits for that relocates a few dozen names against a kernel,
 * in a fresh process, where no loop is compiled yet. So names are first put into buckets by two
 * bytes, which takes 1.2 ms for the types of a kernel; hashing them takes 4.3 ms. A search looks at
 * one byte of each name of its bucket, and a bucket that is searched often is emptied into a hash
 * table.
 */
export class NameTable {
  readonly #strings: StringTable;
  readonly #numbers: Uint32Array;
  /** String offsets, by place in `numbers`. */
  readonly #names: Uint32Array;
  /**
   * For each place the next of the same list, plus 1; 0 at the end. A place is in one list at a
   * time.
   */
  readonly #next: Uint32Array;
  /** The first place, plus 1, of the list for some first bytes; 0 when empty or emptied. */
  readonly #buckets: Uint32Array = new Uint32Array(BUCKETS);
  /** Searches of each bucket so far. */
  readonly #searches: Uint8Array = new Uint8Array(BUCKETS);
  /** The first place, plus 1, of the list for a hash of the essential name; made when needed. */
  #hashed: Uint32Array | undefined;

  /** `numbers` are ascending; `offsets` tells where each type begins in `words`. */
  constructor(
    strings: StringTable,
    words: Uint32Array,
    offsets: Uint32Array,
    numbers: Uint32Array,
  ) {
    const count = numbers.length;
    const buckets = this.#buckets;
    const next = new Uint32Array(count);
    const names = new Uint32Array(count);
    const { start, end, bytes } = strings;
    for (let place = 0; place < count; place++) {
      const name = words[offsets[numbers[place]!]!]!;
      // A name past the end is an error when the type is decoded; it cannot be found by name.
      if (name === 0 || name >= end) continue;
      names[place] = name;
      const bucket = name >= start ? bucketOf(bytes, name - start) : baseBucketOf(strings, name);
      next[place] = buckets[bucket]!;
      buckets[bucket] = place + 1;
    }
    this.#strings = strings;
    this.#numbers = numbers;
    this.#names = names;
    this.#next = next;
  }

  /** The types, ascending, whose name is `name`. */
  exact(name: string): number[] {
    return this.#select(name, true, Number.POSITIVE_INFINITY);
  }

  /** The types, ascending, whose essential name is that of `name`; any `limit` of them where there are more. */
  essential(name: string, limit: number): number[] {
    return this.#select(name, false, limit);
  }

  #select(name: string, whole: boolean, limit: number): number[] {
    const found: number[] = [];
    const query = utf8.encode(`${essentialName(name)}\0`);
    const length = query.length - 1;
    if (length === 0) return found;
    const strings = this.#strings;
    const names = this.#names;
    const next = this.#next;
    const { bytes, start } = strings;
    const last = query[length - 1]!;
    for (let place = this.#listFor(query, length); place !== 0; place = next[place - 1]!) {
      const offset = names[place - 1]!;
      // Most names of a list have another byte there, or are too short to have any.
      if (offset >= start && bytes[offset - start + length - 1] !== last) continue;
      if (!beginsWith(strings, offset, query, length)) continue;
      // What is left of longer names has another essential part; names that are too long have none.
      if (essentialLength(strings, offset) !== length) continue;
      if (whole && strings.name(offset) !== name) continue;
      found.push(this.#numbers[place - 1]!);
      if (found.length >= limit) break;
    }
    return found.sort((a, b) => a - b);
  }

  /** The first place, plus 1, of the list that has all names which match; 0 for none. */
  #listFor(query: Uint8Array, length: number): number {
    const bucket = bucketOf(query, 0);
    const searches = this.#searches[bucket]!;
    if (searches < PATIENCE) {
      this.#searches[bucket] = searches + 1;
      return this.#buckets[bucket]!;
    }
    this.#hashed ??= new Uint32Array(2 ** Math.ceil(Math.log2(this.#numbers.length + 1)));
    this.#empty(bucket, this.#hashed);
    return this.#hashed[hashBytes(query, 0, length) & (this.#hashed.length - 1)]!;
  }

  /** Moves the names of a bucket to the hash table. */
  #empty(bucket: number, hashed: Uint32Array): void {
    const next = this.#next;
    for (let place = this.#buckets[bucket]!; place !== 0; ) {
      const following = next[place - 1]!;
      const hash = hashName(this.#strings, this.#names[place - 1]!);
      // A name that is too long is an error when the type is decoded.
      if (hash !== undefined) {
        const slot = hash & (hashed.length - 1);
        next[place - 1] = hashed[slot]!;
        hashed[slot] = place;
      }
      place = following;
    }
    this.#buckets[bucket] = 0;
  }
}

/**
 * The bucket of a name that ends with a NUL, by its first two bytes; by the first one alone where
 * an underscore follows, since a flavour may begin there.
 */
function bucketOf(bytes: Uint8Array, start: number): number {
  const second = bytes[start + 1]!;
  return ((bytes[start]! << 5) ^ (second === UNDERSCORE ? 0 : second)) & (BUCKETS - 1);
}

function baseBucketOf(strings: StringTable, offset: number): number {
  let own = strings;
  while (offset < own.start && own.base !== undefined) own = own.base;
  return bucketOf(own.bytes, offset - own.start);
}

/**
 * Whether a name is the query, or the query and a flavour. Compares from the end:
 * names that share a bucket often share many of their first bytes, and seldom the last ones.
 */
function beginsWith(
  strings: StringTable,
  offset: number,
  query: Uint8Array,
  length: number,
): boolean {
  if (offset < strings.start && strings.base !== undefined) {
    return beginsWith(strings.base, offset, query, length);
  }
  const { bytes } = strings;
  const start = offset - strings.start;
  const after = bytes[start + length];
  if (after !== 0 && after !== UNDERSCORE) return false;
  // Names that go on with one underscore are common, and need not be hashed.
  if (after !== 0 && bytes[start + length + 1] !== UNDERSCORE) return false;
  for (let i = length - 1; i >= 0; i--) if (bytes[start + i] !== query[i]) return false;
  return true;
}

/** Bytes of a name without its flavour; undefined for a name that is too long. */
function essentialLength(strings: StringTable, offset: number): number | undefined {
  if (offset < strings.start && strings.base !== undefined) {
    return essentialLength(strings.base, offset);
  }
  const { bytes } = strings;
  const start = offset - strings.start;
  const end = endOf(bytes, start, MAX_NAME);
  return bytes[end] === 0 ? essentialEnd(bytes, start, end) - start : undefined;
}

function hashName(strings: StringTable, offset: number): number | undefined {
  if (offset < strings.start && strings.base !== undefined) return hashName(strings.base, offset);
  const { bytes } = strings;
  const start = offset - strings.start;
  const end = endOf(bytes, start, MAX_NAME);
  return bytes[end] === 0 ? hashBytes(bytes, start, essentialEnd(bytes, start, end)) : undefined;
}

/** Where the essential part ends of the name from `start` to `end`. */
function essentialEnd(bytes: Uint8Array, start: number, end: number): number {
  for (let at = end - 4; at > start; at--) {
    const underscores =
      bytes[at] === UNDERSCORE && bytes[at + 1] === UNDERSCORE && bytes[at + 2] === UNDERSCORE;
    if (underscores && bytes[at - 1] !== UNDERSCORE && bytes[at + 3] !== UNDERSCORE) return at;
  }
  return end;
}

/** FNV-1a, whose high bits are the better ones while tables take the low ones. */
function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0;
  for (let at = start; at < end; at++) hash = Math.imul(hash ^ bytes[at]!, FNV_PRIME);
  return hash ^ (hash >>> 15);
}
