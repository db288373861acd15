/**
 * What CO-RE relocation asks of one BTF: types behind typedefs and qualifiers, sizes, and members
 * found by name through anonymous levels. Nothing here compares two types.
 *
 * Reads the words of the type section in place. A relocation looks at a few types of a hundred
 * thousand, and of those at a few members: decoding all of them, names and all, took longer than
 * everything else together.
 *
 * @module
 */

import { type Btf, Kind, typeName } from "../../btf/index.ts";
import { BtfError } from "../error.ts";

/**
 * The longest chain of accessor steps, anonymous levels included, BPF_CORE_SPEC_MAX_LEN of libbpf.
 */
export const MAX_STEPS = 64;

/** Longest chain of typedefs, qualifiers and arrays, as in libbpf and the kernel. */
const MAX_DEPTH = 32;
const MAX_UINT32 = 0xffff_ffff;
/**
 * Members that one search may look at: far above any kernel's, so that crafted BTF cannot take for
 * ever.
 */
const MAX_VISITS = 0x1_0000;

/** Words of struct btf_type and what follows it, include/uapi/linux/btf.h. */
const WORD = { name: 0, info: 1, sizeOrType: 2, integer: 3, element: 3, length: 5, members: 3 };
/** Words of struct btf_member. */
const MEMBER_WORDS = 3;
const COUNT_MASK = 0xff_ffff;
const KIND_MASK = 0x7f;
/** In the info word: offsets of members are 24 bits, below the size of a bitfield. */
const KIND_FLAG = 0x8000_0000;

/** A text in a string section, up to its NUL. */
export interface Name {
  readonly bytes: Uint8Array;
  readonly start: number;
}

/** A member of a structure or union. */
export interface Member {
  readonly type: number;
  readonly bitOffset: number;
  /** 0 where the member is no bitfield. */
  readonly bitSize: number;
  /** Offset in the string section, 0 for an anonymous member. */
  readonly nameOffset: number;
}

/** A named member as seen from an outer structure. */
export interface FoundMember {
  /** The structure or union that holds the member directly, and its index there. */
  readonly owner: number;
  readonly index: number;
  readonly type: number;
  /** From the start of the outer structure. */
  readonly bitOffset: number;
  readonly bitSize: number;
  /** Accessor steps from the outer structure: 1, and one more for each anonymous level. */
  readonly depth: number;
}

/** Reads types of one BTF for relocation. */
export class TypeReader {
  readonly btf: Btf;
  /** Members and enumerators that were looked at in searches so far. */
  visits = 0;
  readonly #pointerSize: number | undefined;

  /**
   * `pointerSize` in bytes is 8 for BPF objects; without it, it is that of the machine whose types
   * these are.
   */
  constructor(btf: Btf, pointerSize?: number) {
    this.btf = btf;
    this.#pointerSize = pointerSize;
  }

  /** The kind of a type; throws BtfError for an id that does not exist. */
  kind(id: number): number {
    if (id === 0) return Kind.VOID;
    const owner = this.#owner(id);
    return (owner.words[owner.wordOf(id) + WORD.info]! >>> 24) & KIND_MASK;
  }

  /**
   * The type behind typedefs, qualifiers and type tags; throws BtfError for a chain of more than
   * 32.
   */
  resolve(id: number): number {
    let at = id;
    for (let depth = 0; depth <= MAX_DEPTH; depth++) {
      if (at === 0) return at;
      const owner = this.#owner(at);
      const word = owner.wordOf(at);
      switch ((owner.words[word + WORD.info]! >>> 24) & KIND_MASK) {
        case Kind.TYPEDEF:
        case Kind.VOLATILE:
        case Kind.CONST:
        case Kind.RESTRICT:
        case Kind.TYPE_TAG:
          at = owner.words[word + WORD.sizeOrType]!;
          break;
        default:
          return at;
      }
    }
    throw this.#error(id, "is a chain of too many typedefs");
  }

  /** Size in bytes; throws BtfError where the type has none, or one above 32 bits. */
  size(id: number): number {
    let count = 1;
    let at = id;
    for (let depth = 0; depth < MAX_DEPTH; depth++) {
      switch (this.kind(at)) {
        case Kind.INT:
        case Kind.STRUCT:
        case Kind.UNION:
        case Kind.ENUM:
        case Kind.ENUM64:
        case Kind.DATASEC:
        case Kind.FLOAT:
          return this.#product(id, this.#word(at, WORD.sizeOrType), count);
        case Kind.PTR:
          return this.#product(id, this.#pointerSize ?? this.btf.pointerSize, count);
        case Kind.ARRAY:
          count = this.#product(id, this.arrayLength(at), count);
          at = this.arrayElement(at);
          break;
        case Kind.TYPEDEF:
        case Kind.VOLATILE:
        case Kind.CONST:
        case Kind.RESTRICT:
        case Kind.VAR:
        case Kind.DECL_TAG:
        case Kind.TYPE_TAG:
          at = this.#word(at, WORD.sizeOrType);
          break;
        default:
          throw this.#error(id, "has no size");
      }
    }
    throw this.#error(id, "is nested too deep to have a size");
  }

  /** The number of elements of an array. */
  arrayLength(id: number): number {
    return this.#word(id, WORD.length);
  }

  /** The type of the elements of an array. */
  arrayElement(id: number): number {
    return this.#word(id, WORD.element);
  }

  /**
   * The type of the elements, through arrays of arrays; the resolved type itself where it is no
   * array.
   */
  innermost(id: number): number {
    let at = this.resolve(id);
    for (let depth = 0; this.kind(at) === Kind.ARRAY; depth++) {
      if (depth === MAX_DEPTH) throw this.#error(id, "has too many dimensions");
      at = this.resolve(this.arrayElement(at));
    }
    return at;
  }

  /** Sign and other marks of an integer, BTF_INT_ENCODING; its lowest bit is the sign. */
  integerEncoding(id: number): number {
    return (this.#word(id, WORD.integer) >>> 24) & 0xf;
  }

  /**
   * Where an integer begins within its bytes, in bits: not 0 for the bitfields of old compilers.
   */
  integerOffset(id: number): number {
    return (this.#word(id, WORD.integer) >>> 16) & 0xff;
  }

  /** The kind flag: a signed enumeration, a forward declaration of a union. */
  flag(id: number): boolean {
    return this.#word(id, WORD.info) >= KIND_FLAG;
  }

  /** How many members or enumerators a type has. */
  count(id: number): number {
    return this.#word(id, WORD.info) & COUNT_MASK;
  }

  /** A member of a structure or union; undefined where there are fewer. */
  member(id: number, index: number): Member | undefined {
    const owner = this.#owner(id);
    const { words } = owner;
    const at = owner.wordOf(id);
    const info = words[at + WORD.info]!;
    if (index >= (info & COUNT_MASK)) return undefined;
    const member = at + WORD.members + index * MEMBER_WORDS;
    const bits = words[member + 2]!;
    const flag = info >= KIND_FLAG;
    return {
      type: words[member + 1]!,
      bitOffset: flag ? bits & COUNT_MASK : bits,
      bitSize: flag ? bits >>> 24 : 0,
      nameOffset: words[member]!,
    };
  }

  /** A text in place. */
  nameAt(offset: number): Name {
    let table = this.btf.strings;
    while (offset < table.start && table.base !== undefined) table = table.base;
    return { bytes: table.bytes, start: offset - table.start };
  }

  /**
   * The first member of that name for which `accept` says yes to its type, in the order in which
   * libbpf searches: depth first, and within one level the first of that name only. Throws BtfError
   * where the members before it are nested too deep.
   *
   * `taken` is the number of accessor steps that led to the structure.
   */
  findMember(
    struct: number,
    name: Name,
    taken: number,
    accept: (type: number) => boolean,
  ): FoundMember | undefined {
    return this.#search(struct, name, accept, 0, 1, { taken, visits: 0 });
  }

  #search(
    struct: number,
    name: Name,
    accept: (type: number) => boolean,
    base: number,
    depth: number,
    limits: { readonly taken: number; visits: number },
  ): FoundMember | undefined {
    const owner = this.#owner(struct);
    const { words } = owner;
    const at = owner.wordOf(struct);
    const info = words[at + WORD.info]!;
    const count = info & COUNT_MASK;
    const flag = info >= KIND_FLAG;
    limits.visits += count;
    this.visits += count;
    if (count > 0 && (limits.taken + depth > MAX_STEPS || limits.visits > MAX_VISITS)) {
      throw this.#error(struct, "nests members too deep");
    }
    const { bytes, start } = owner.strings;
    const letter = name.bytes[name.start];
    let member = at + WORD.members;
    for (let index = 0; index < count; index++, member += MEMBER_WORDS) {
      const nameOffset = words[member]!;
      if (nameOffset !== 0) {
        // Most names differ in their first letter, and most are not in the strings of a base.
        if (nameOffset < start) {
          const inBase = this.nameAt(nameOffset);
          if (!sameName(name, inBase.bytes, inBase.start)) continue;
        } else if (
          bytes[nameOffset - start] !== letter ||
          !sameName(name, bytes, nameOffset - start)
        ) {
          continue;
        }
      }
      const type = words[member + 1]!;
      const bits = words[member + 2]!;
      const bitOffset = (base + (flag ? bits & COUNT_MASK : bits)) >>> 0;
      if (nameOffset !== 0) {
        if (!accept(type)) return undefined;
        const bitSize = flag ? bits >>> 24 : 0;
        return { owner: struct, index, type, bitOffset, bitSize, depth };
      }
      const inner = this.resolve(type);
      const kind = this.kind(inner);
      if (kind !== Kind.STRUCT && kind !== Kind.UNION) continue;
      const found = this.#search(inner, name, accept, bitOffset, depth + 1, limits);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /**
   * The BTF, this one or a base, whose words hold a type; throws BtfError for void and an id that
   * does not exist.
   */
  #owner(id: number): Btf {
    let owner = this.btf;
    if (!(id > 0 && id < owner.typeCount)) {
      throw new BtfError(`type ${id} is void or does not exist`, { typeId: id });
    }
    while (id < owner.firstId && owner.base !== undefined) owner = owner.base;
    return owner;
  }

  #word(id: number, index: number): number {
    const owner = this.#owner(id);
    return owner.words[owner.wordOf(id) + index]!;
  }

  #product(id: number, size: number, count: number): number {
    const product = size * count;
    if (product > MAX_UINT32) throw this.#error(id, "is larger than 4 GiB");
    return product;
  }

  #error(id: number, what: string): BtfError {
    return new BtfError(`${typeName(this.btf, id)} ${what}`, { typeId: id });
  }
}

/** Whether the text that begins at `otherStart` is the same. */
function sameName({ bytes, start }: Name, other: Uint8Array, otherStart: number): boolean {
  for (let i = 0; ; i++) {
    const byte = bytes[start + i];
    if (byte !== other[otherStart + i]) return false;
    if (byte === 0 || byte === undefined) return true;
  }
}
