/**
 * A copy of BTF whose types can be changed in place and added to, but never moved: ids stay.
 *
 * What to change is decided elsewhere (for-kernel.ts, sanitise.ts); here is how.
 *
 * @module
 */

import { BtfError } from "../src/error.ts";
import type { Btf } from "./btf.ts";
import { KIND_FLAG } from "./decode.ts";
import { assemble } from "./header.ts";
import { Kind, MAX_KIND, MAX_VLEN } from "./kind.ts";
import { StringWriter } from "./string-writer.ts";
import { TYPE_WORDS } from "./walk.ts";

/** The type words of a blob without base, open for change. */
export class BtfEditor {
  /** All words in host order; those of a type begin at `at(id)`. Another array after `add`. */
  words: Uint32Array;
  readonly #btf: Btf;
  readonly #strings: StringWriter;
  /** Where added types begin. */
  readonly #added: number[] = [];
  /** Texts that were added, by offset. */
  readonly #texts: Map<number, string> = new Map();

  constructor(btf: Btf) {
    if (btf.base !== undefined) throw new RangeError("changing BTF: it continues a base");
    this.#btf = btf;
    this.#strings = new StringWriter(btf.strings.bytes);
    this.words = btf.words.slice();
  }

  get typeCount(): number {
    return this.#btf.typeCount + this.#added.length;
  }

  /** Where a type begins in `words`: name, info, size or type, then what its kind adds. */
  at(id: number): number {
    const added = id - this.#btf.typeCount;
    const at = added < 0 ? (id > 0 ? this.#btf.wordOf(id) : undefined) : this.#added[added];
    if (at === undefined) {
      throw new BtfError(`changing BTF: no type ${id}, of ${this.typeCount} types`, { typeId: id });
    }
    return at;
  }

  kind(id: number): number {
    return id === 0 ? Kind.VOID : (this.words[this.at(id) + 1]! >>> 24) & MAX_KIND;
  }

  /** Number of members, values, parameters or variables; for a function, its linkage. */
  count(id: number): number {
    return this.words[this.at(id) + 1]! & MAX_VLEN;
  }

  name(id: number): string {
    const offset = this.words[this.at(id)]!;
    return this.#texts.get(offset) ?? this.#btf.strings.name(offset);
  }

  /** Gives a type another name; the old text stays, since others may share it. */
  rename(id: number, name: string): void {
    this.words[this.at(id)] = this.string(name);
  }

  /** Turns a type into another kind with the same elements, or with `count` of them. */
  setKind(id: number, kind: number, count: number = this.count(id)): void {
    this.words[this.at(id) + 1] = kind * 0x0100_0000 + count;
  }

  /** Whether the kind flag is set. */
  flag(id: number): boolean {
    return this.words[this.at(id) + 1]! >= KIND_FLAG;
  }

  /** The offset of a text, for words that are string offsets. */
  string(text: string): number {
    const offset = this.#strings.add(text);
    this.#texts.set(offset, text);
    return offset;
  }

  /** Adds a type at the end: its name, kind, count, third word, and what its kind adds. */
  add(name: string, kind: number, count: number, third: number, ...rest: number[]): number {
    const id = this.typeCount;
    this.#added.push(this.words.length);
    const added = [this.string(name), kind * 0x0100_0000 + count, third, ...rest];
    const words = new Uint32Array(this.words.length + added.length);
    words.set(this.words);
    words.set(added, this.words.length);
    this.words = words;
    return id;
  }

  /** Where element number `index` begins, for a kind whose elements have `size` words. */
  element(id: number, index: number, size: number): number {
    return this.at(id) + TYPE_WORDS + index * size;
  }

  /** The blob in host byte order. */
  bytes(): Uint8Array {
    return assemble(this.words, this.#strings.bytes());
  }
}
