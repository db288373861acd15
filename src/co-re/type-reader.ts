/**
 * What CO-RE relocation asks of one BTF: types behind typedefs and qualifiers, sizes, and members found by name through anonymous levels.
 *
 * Answers are kept, so that the cost of a type is paid once for all relocations. Nothing here compares two BTFs.
 *
 * @module
 */

import {
  type Btf,
  type BtfType,
  Kind,
  resolve,
  type StructType,
  sizeOf,
  typeName,
} from "../../btf/index.ts";
import { BtfError } from "../error.ts";

/** The longest chain of accessor steps, anonymous levels included, BPF_CORE_SPEC_MAX_LEN of libbpf. */
export const MAX_STEPS = 64;

const MAX_DIMENSIONS = 32;
/** Members of one structure, those of anonymous levels included: far above any kernel's, so that crafted BTF cannot explode. */
const MAX_MEMBERS = 0x4_0000;

/** A named member as seen from an outer structure, with its twins in other anonymous levels behind it. */
export interface FoundMember {
  /** The structure or union that holds the member directly, and its index there. */
  readonly owner: number;
  readonly index: number;
  readonly type: number;
  /** From the start of the outer structure. */
  readonly bitOffset: number;
  /** 0 where the member is no bitfield. */
  readonly bitSize: number;
  /** Accessor steps from the outer structure: 1, and one more for each anonymous level. */
  readonly depth: number;
  /** Number in the order of the search, and where the search of the same level ends. */
  readonly ordinal: number;
  readonly level: { end: number };
  next: FoundMember | undefined;
}

interface MemberTable {
  readonly byName: Map<string, FoundMember>;
  /** The search stops with an error at this ordinal, where the nesting is too deep to be followed. */
  limit: number;
}

/** Reads types of one BTF for relocation. */
export class TypeReader {
  readonly btf: Btf;
  readonly #sizes: Map<number, number> = new Map();
  readonly #tables: Map<number, MemberTable> = new Map();

  constructor(btf: Btf) {
    this.btf = btf;
  }

  /** The type behind typedefs, qualifiers and type tags; throws BtfError for a cycle or an id out of range. */
  resolved(id: number): BtfType {
    return this.btf.type(resolve(this.btf, id));
  }

  /** Size in bytes; throws BtfError where the type has none, or one above 32 bits. */
  size(id: number): number {
    let size = this.#sizes.get(id);
    if (size === undefined) {
      size = sizeOf(this.btf, id);
      this.#sizes.set(id, size);
    }
    return size;
  }

  /** The type of the elements, through arrays of arrays; `id` itself where it is no array. */
  innermost(id: number): number {
    let type = this.resolved(id);
    for (let depth = 0; type.kind === Kind.ARRAY; depth++) {
      if (depth === MAX_DIMENSIONS) {
        throw new BtfError(`${typeName(this.btf, id)} has too many dimensions`, { typeId: id });
      }
      type = this.resolved(type.element);
    }
    return type.id;
  }

  /**
   * The first member of `name` for which `accept` says yes, in the order in which libbpf searches: depth first, and within one level
   * the first of that name only. Throws BtfError where the members before it are nested too deep.
   */
  findMember(
    struct: StructType,
    name: string,
    steps: number,
    accept: (member: FoundMember) => boolean,
  ): FoundMember | undefined {
    const table = this.#table(struct);
    let member = table.byName.get(name);
    while (member !== undefined) {
      if (steps + member.depth > MAX_STEPS) throw this.#tooDeep(struct);
      if (accept(member)) return member;
      const end = member.level.end;
      do member = member.next;
      while (member !== undefined && member.ordinal < end);
    }
    if (table.limit !== Number.POSITIVE_INFINITY) throw this.#tooDeep(struct);
    return undefined;
  }

  #table(struct: StructType): MemberTable {
    let table = this.#tables.get(struct.id);
    if (table === undefined) {
      table = { byName: new Map(), limit: Number.POSITIVE_INFINITY };
      const last = new Map<string, FoundMember>();
      this.#collect(struct, table, last, { ordinal: 0 }, 0, 1);
      this.#tables.set(struct.id, table);
    }
    return table;
  }

  /** Adds the members of one level and of the anonymous levels in it; false once the limit is reached. */
  #collect(
    struct: StructType,
    table: MemberTable,
    last: Map<string, FoundMember>,
    counter: { ordinal: number },
    base: number,
    depth: number,
  ): boolean {
    const level = { end: 0 };
    for (const [index, member] of struct.members.entries()) {
      const ordinal = counter.ordinal++;
      if (depth > MAX_STEPS || ordinal === MAX_MEMBERS) {
        table.limit = ordinal;
        level.end = ordinal;
        return false;
      }
      const bitOffset = (base + member.bitOffset) >>> 0;
      if (member.name === "") {
        const inner = this.resolved(member.type);
        if (inner.kind !== Kind.STRUCT && inner.kind !== Kind.UNION) continue;
        if (!this.#collect(inner, table, last, counter, bitOffset, depth + 1)) {
          level.end = counter.ordinal;
          return false;
        }
        continue;
      }
      const found: FoundMember = {
        owner: struct.id,
        index,
        type: member.type,
        bitOffset,
        bitSize: member.bitSize,
        depth,
        ordinal,
        level,
        next: undefined,
      };
      const before = last.get(member.name);
      if (before === undefined) table.byName.set(member.name, found);
      else before.next = found;
      last.set(member.name, found);
    }
    level.end = counter.ordinal;
    return true;
  }

  #tooDeep(struct: StructType): BtfError {
    const text = `${typeName(this.btf, struct.id)} nests members deeper than ${MAX_STEPS} steps`;
    return new BtfError(text, { typeId: struct.id });
  }
}
