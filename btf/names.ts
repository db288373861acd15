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

/** Bytes of a name that decide its first bucket. */
const PREFIX = 4;

/**
 * Names of some of the own types of a blob; a type is meant by its number from the first own id on.
 *
 * Hashing all names of a kernel takes longer than reading the first bytes of each (3.3 against 2.1
 * ms in a fresh process, where no loop is compiled yet). So names are first put into buckets by
 * those bytes, and a bucket is emptied into the hash table when a name is sought there.
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
  /**
   * The first place, plus 1, of the list for some first bytes; places descend. 0 when empty or
   * emptied.
   */
  readonly #buckets: Uint32Array;
  /** The first place, plus 1, of the list for a hash of the essential name; places ascend. */
  readonly #hashed: Uint32Array;

  /** `numbers` are ascending; `offsets` tells where each type begins in `words`. */
  constructor(
    strings: StringTable,
    words: Uint32Array,
    offsets: Uint32Array,
    numbers: Uint32Array,
  ) {
    let size = 16;
    while (size < numbers.length) size *= 2;
    const mask = size - 1;
    const buckets = new Uint32Array(size);
    const next = new Uint32Array(numbers.length);
    const names = new Uint32Array(numbers.length);
    const { start, end, bytes } = strings;
    for (let place = 0; place < numbers.length; place++) {
      const name = words[offsets[numbers[place]!]!]!;
      // A name past the end is an error when the type is decoded; it cannot be found by name.
      if (name === 0 || name >= end) continue;
      names[place] = name;
      const prefix = name >= start ? prefixOf(bytes, name - start) : basePrefixOf(strings, name);
      const bucket = prefix & mask;
      next[place] = buckets[bucket]!;
      buckets[bucket] = place + 1;
    }
    this.#strings = strings;
    this.#numbers = numbers;
    this.#names = names;
    this.#next = next;
    this.#buckets = buckets;
    this.#hashed = new Uint32Array(size);
  }

  /** The types, ascending, whose name is `name`. */
  exact(name: string): number[] {
    return this.#select(name, (strings, offset) => strings.name(offset) === name);
  }

  /** The types, ascending, whose essential name is that of `name`. */
  essential(name: string): number[] {
    const wanted = essentialName(name);
    return this.#select(name, (strings, offset) => essentialName(strings.name(offset)) === wanted);
  }

  #select(name: string, matches: (strings: StringTable, offset: number) => boolean): number[] {
    const found: number[] = [];
    const query = utf8.encode(`${essentialName(name)}\0`);
    const length = query.length - 1;
    if (length === 0) return found;
    this.#empty(prefixOf(query, 0) & (this.#buckets.length - 1));
    const slot = hashBytes(query, 0, length) & (this.#hashed.length - 1);
    for (let place = this.#hashed[slot]!; place !== 0; place = this.#next[place - 1]!) {
      const offset = this.#names[place - 1]!;
      // Few that share a slot begin alike, so that a text is made only for those that match.
      if (!startsWith(this.#strings, offset, query, length)) continue;
      if (matches(this.#strings, offset)) found.push(this.#numbers[place - 1]!);
    }
    return found;
  }

  /**
   * Moves the names of a bucket to the hash table; from the highest place on, so that the lowest
   * comes first there.
   */
  #empty(bucket: number): void {
    const next = this.#next;
    const hashed = this.#hashed;
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
 * The first bytes of a name that ends with a NUL as one number, spread over all bits.
 *
 * They end at an underscore after another character, since a flavour may begin there.
 */
function prefixOf(bytes: Uint8Array, start: number): number {
  let prefix = 0;
  let inside = false;
  for (let at = start; at < start + PREFIX; at++) {
    const byte = bytes[at]!;
    if (byte === 0 || (byte === UNDERSCORE && inside)) break;
    inside = byte !== UNDERSCORE;
    prefix = (prefix << 8) | byte;
  }
  return Math.imul(prefix, 0x9e37_79b1) >>> 12;
}

function basePrefixOf(strings: StringTable, offset: number): number {
  let own = strings;
  while (offset < own.start && own.base !== undefined) own = own.base;
  return prefixOf(own.bytes, offset - own.start);
}

function startsWith(
  strings: StringTable,
  offset: number,
  query: Uint8Array,
  length: number,
): boolean {
  if (offset < strings.start && strings.base !== undefined) {
    return startsWith(strings.base, offset, query, length);
  }
  const start = offset - strings.start;
  for (let i = 0; i < length; i++) {
    if (strings.bytes[start + i] !== query[i]) return false;
  }
  return true;
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
