/**
 * BTF, the type information of kernels and BPF objects, opened for reading: types by id and by
 * name.
 *
 * Opening finds where each type begins and nothing else. A type is decoded, and a name index made,
 * when first asked for. Computing with types (sizes, C text, codecs) is the business of other
 * files; so is writing BTF.
 *
 * @module
 */

import { BtfError } from "../src/error.ts";
import { decodeType } from "./decode.ts";
import { parseHeader } from "./header.ts";
import { Kind, MAX_KIND } from "./kind.ts";
import { isNamedKind, NameTable } from "./names.ts";
import { StringTable } from "./strings.ts";
import type { BtfType } from "./type.ts";
import { hostWords, type KindSizes, kindSizes, walkTypes } from "./walk.ts";

/** How to open BTF. */
export interface BtfOptions {
  /** What this BTF continues: the kernel's for that of a module. Default none. */
  readonly base?: Btf | undefined;
}

const voidType: BtfType = { kind: Kind.VOID, id: 0, name: "" };

/** Names that compilers give to the C type `long`, whose size is that of a pointer. */
export const LONG_NAMES: readonly string[] = [
  "long",
  "long int",
  "unsigned long",
  "long unsigned int",
  "unsigned long int",
];

/**
 * Type information. Ids are 0 (void) to `typeCount` - 1, those of the base included.
 *
 * Keeps and reads the bytes it was opened from: they must not change, nor be unmapped, while it is
 * in use.
 */
export class Btf {
  /** What it was opened from. */
  readonly bytes: Uint8Array;
  /** What this BTF continues. */
  readonly base: Btf | undefined;
  /** The byte order of `bytes`, hence of the machine whose types these are. */
  readonly littleEndian: boolean;
  /** Ids are 0 … typeCount - 1. */
  readonly typeCount: number;
  /** The first own id, 1 without a base. */
  readonly firstId: number;
  /** @internal The own type section in host order. */
  readonly words: Uint32Array;
  /** @internal */
  readonly strings: StringTable;
  /** @internal */
  readonly sizes: KindSizes;
  readonly #offsets: Uint32Array;
  readonly #named: Uint32Array;
  #typeNames: NameTable | undefined;
  #declarationNames: NameTable | undefined;
  readonly #decoded: Map<number, BtfType> = new Map();
  #pointerSize: number | undefined;

  private constructor(bytes: Uint8Array, base: Btf | undefined) {
    const parts = parseHeader(bytes);
    this.bytes = parts.bytes;
    this.base = base;
    this.littleEndian = parts.littleEndian;
    this.firstId = base?.typeCount ?? 1;
    this.strings = new StringTable(parts.strings, base?.strings);
    this.words = hostWords(parts.types, parts.littleEndian);
    this.sizes = kindSizes(parts.layout, base?.sizes);
    const { offsets, named } = walkTypes(this.words, this.sizes, this.firstId);
    this.#offsets = offsets;
    this.#named = named;
    this.typeCount = this.firstId + this.#offsets.length;
  }

  /**
   * Opens a BTF blob of either byte order: `/sys/kernel/btf/*`, or the section .BTF of an object.
   *
   * Throws BtfError when it is malformed. References between types are checked only when a type is
   * asked for.
   */
  static parse(bytes: Uint8Array, options: BtfOptions = {}): Btf {
    return new Btf(bytes, options.base);
  }

  /**
   * The kind of a type, a number of `Kind`; or of a later kernel.
   *
   * Throws BtfError for an id that does not exist.
   */
  kind(id: number): number {
    if (id === 0) return Kind.VOID;
    const owner = this.#owner(id);
    return (owner.words[owner.wordOf(id) + 1]! >>> 24) & MAX_KIND;
  }

  /**
   * The name of a type, empty where there is none.
   *
   * Throws BtfError for an id that does not exist.
   */
  name(id: number): string {
    if (id === 0) return "";
    const owner = this.#owner(id);
    return owner.strings.name(owner.words[owner.wordOf(id)]!);
  }

  /**
   * The decoded type, the same object each time.
   *
   * Throws BtfError for an id that does not exist, a name or reference that leads nowhere, and a
   * kind that is not known.
   */
  type(id: number): BtfType {
    if (id === 0) return voidType;
    const owner = this.#owner(id);
    let type = owner.#decoded.get(id);
    if (type === undefined) {
      type = decodeType(owner, owner.wordOf(id), id);
      owner.#decoded.set(id, type);
    }
    return type;
  }

  /** All types but void, those of the base first. */
  *[Symbol.iterator](): IterableIterator<BtfType> {
    for (let id = 1; id < this.typeCount; id++) yield this.type(id);
  }

  /** The lowest id with exactly this name, and this kind if given. */
  find(name: string, kind?: number): number | undefined {
    return this.base?.find(name, kind) ?? this.#ownWithName(name, kind)[0];
  }

  /** All ids with exactly this name, and this kind if given; ascending. */
  findAll(name: string, kind?: number): number[] {
    const own = this.#ownWithName(name, kind);
    return this.base === undefined ? own : [...this.base.findAll(name, kind), ...own];
  }

  /**
   * All ids whose essential name is that of `name`, ascending: the candidates of a CO-RE
   * relocation.
   *
   * Functions, variables, sections and tags are left out: a relocation cannot be rooted there.
   * `limit` ends the search, of this BTF and of each base, when so many are found, in any order:
   * crafted BTF may have millions. Default none.
   */
  findEssential(name: string, limit: number = Number.POSITIVE_INFINITY): number[] {
    const own = this.#types()
      .essential(name, limit)
      .map((number) => this.firstId + number);
    return this.base === undefined ? own : [...this.base.findEssential(name, limit), ...own];
  }

  /**
   * The text at an offset of the string section, the base's included.
   *
   * Throws BtfError past the end.
   */
  string(offset: number): string {
    return this.strings.get(offset);
  }

  /** Bytes of a pointer: the size of the C type `long` in these types, 8 where they have none. */
  get pointerSize(): number {
    this.#pointerSize ??= this.#findPointerSize();
    return this.#pointerSize;
  }

  /** @internal Where an own type begins in `words`. */
  wordOf(id: number): number {
    return this.#offsets[id - this.firstId]!;
  }

  /**
   * @internal The third word of any type but void: its size, or the type it refers to, unchecked.
   */
  sizeOrType(id: number): number {
    const owner = this.#owner(id);
    return owner.words[owner.wordOf(id) + 2]!;
  }

  /** @internal Own ids of some kinds, ascending; nothing is decoded. */
  idsOf(...kinds: number[]): number[] {
    const wanted = new Uint8Array(MAX_KIND + 1);
    for (const kind of kinds) wanted[kind] = 1;
    const offsets = this.#offsets;
    const { words } = this;
    const ids: number[] = [];
    for (let number = 0; number < offsets.length; number++) {
      const kind = (words[offsets[number]! + 1]! >>> 24) & MAX_KIND;
      if (wanted[kind] === 1) ids.push(this.firstId + number);
    }
    return ids;
  }

  #owner(id: number): Btf {
    let owner: Btf = this;
    while (id < owner.firstId && owner.base !== undefined) owner = owner.base;
    if (owner.#offsets[id - owner.firstId] === undefined) {
      throw new BtfError(`reading BTF: no type ${id}, of ${this.typeCount} types`, { typeId: id });
    }
    return owner;
  }

  #ownWithName(name: string, kind: number | undefined): number[] {
    const ids = (table: NameTable): number[] =>
      table.exact(name).map((number) => this.firstId + number);
    if (kind === undefined) {
      return [...ids(this.#types()), ...ids(this.#declarations())].sort((a, b) => a - b);
    }
    const table = isNamedKind[kind] === 1 ? this.#types() : this.#declarations();
    return ids(table).filter((id) => this.kind(id) === kind);
  }

  /** The index of types, made when first needed: most objects and many kernels are never asked. */
  #types(): NameTable {
    this.#typeNames ??= new NameTable(this.strings, this.words, this.#offsets, this.#named);
    return this.#typeNames;
  }

  /** The index of all other names, which are many more. */
  #declarations(): NameTable {
    this.#declarationNames ??= new NameTable(
      this.strings,
      this.words,
      this.#offsets,
      this.#otherNumbers(),
    );
    return this.#declarationNames;
  }

  /** Own types of the kinds that are not sought by name, by number from the first own id on, ascending. */
  #otherNumbers(): Uint32Array {
    const offsets = this.#offsets;
    const { words } = this;
    // Room for one more, since the last number is written before it is known to be wanted.
    const numbers = new Uint32Array(offsets.length + 1);
    let count = 0;
    for (let number = 0; number < offsets.length; number++) {
      numbers[count] = number;
      count += 1 - isNamedKind[(words[offsets[number]! + 1]! >>> 24) & MAX_KIND]!;
    }
    return numbers.slice(0, count);
  }

  #findPointerSize(): number {
    for (const name of LONG_NAMES) {
      const id = this.find(name, Kind.INT);
      if (id === undefined) continue;
      const type = this.type(id);
      if (type.kind === Kind.INT && (type.size === 4 || type.size === 8)) return type.size;
    }
    return 8;
  }
}
