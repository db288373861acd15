/**
 * Reduces a kernel's BTF to what certain questions need of it: every type that they looked at, as a whole.
 *
 * The types are not chosen by rules of CO-RE: the questions are asked, and what is read to answer them is written down. So the same
 * questions have the same answers in what is left, whatever code asks them. Other questions may find too little.
 *
 * @module
 */

import { Btf, BtfBuilder, type BtfType, Kind, type NewType } from "../../btf/index.ts";

/** The BTF, host byte order, of the types that `ask` reads of the one it is given. */
export function reduceBtf(bytes: Uint8Array, ask: (btf: Btf) => void): Uint8Array {
  const asked = Btf.parse(bytes);
  const touched = record(asked);
  ask(asked);
  return new Reduction(Btf.parse(bytes), touched).bytes();
}

/** Makes `btf` note the ids of all types that are looked at, or found by name. */
function record(btf: Btf): ReadonlySet<number> {
  const touched = new Set<number>();
  const wordOf = btf.wordOf.bind(btf);
  btf.wordOf = (id) => {
    touched.add(id);
    return wordOf(id);
  };
  for (const method of ["findAll", "findEssential"] as const) {
    const found = btf[method].bind(btf);
    btf[method] = (name: string) => {
      const ids = found(name);
      for (const id of ids) touched.add(id);
      return ids;
    };
  }
  const find = btf.find.bind(btf);
  btf.find = (name, kind) => {
    const id = find(name, kind);
    if (id !== undefined) touched.add(id);
    return id;
  };
  return touched;
}

/** Chooses types and writes them, in the order of the original. */
class Reduction {
  readonly #btf: Btf;
  /** Types to keep as they are. */
  readonly #whole: ReadonlySet<number>;
  /** Structures and unions to keep as a name and a size, since others have members of them. */
  readonly #hollow: Set<number> = new Set();
  readonly #kept: Set<number> = new Set();

  constructor(btf: Btf, whole: ReadonlySet<number>) {
    this.#btf = btf;
    this.#whole = whole;
    for (const id of whole) this.#keep(id);
  }

  bytes(): Uint8Array {
    const kept = [...this.#kept].sort((a, b) => a - b);
    const ids = new Map(kept.map((id, index) => [id, index + 1]));
    const builder = new BtfBuilder();
    for (const id of kept) builder.add(this.#renumbered(this.#btf.type(id), ids));
    return builder.bytes({ littleEndian: this.#btf.littleEndian });
  }

  /** Keeps a type and what it cannot be without. */
  #keep(first: number): void {
    const waiting = [first];
    for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
      if (id === 0 || this.#kept.has(id)) continue;
      this.#kept.add(id);
      const type = this.#btf.type(id);
      switch (type.kind) {
        case Kind.STRUCT:
        case Kind.UNION:
          if (this.#whole.has(id)) waiting.push(...type.members.map((member) => member.type));
          else this.#hollow.add(id);
          break;
        case Kind.ARRAY:
          waiting.push(type.element, type.index);
          break;
        case Kind.FUNC_PROTO:
          waiting.push(type.returns, ...type.parameters.map((parameter) => parameter.type));
          break;
        case Kind.DECL_TAG:
        case Kind.DATASEC:
          // Their subjects would lead to the whole kernel.
          this.#kept.delete(id);
          break;
        case Kind.PTR:
          // What nobody followed may point to anything.
          if (this.#whole.has(id)) waiting.push(type.type);
          break;
        default:
          if ("type" in type) waiting.push(type.type);
      }
    }
  }

  #renumbered(type: BtfType, ids: ReadonlyMap<number, number>): NewType {
    const to = (id: number): number => ids.get(id) ?? 0;
    switch (type.kind) {
      case Kind.STRUCT:
      case Kind.UNION: {
        if (this.#hollow.has(type.id)) return { ...type, members: [] };
        const members = type.members.map((member) => ({ ...member, type: to(member.type) }));
        return { ...type, members };
      }
      case Kind.ARRAY:
        return { ...type, element: to(type.element), index: to(type.index) };
      case Kind.FUNC_PROTO: {
        const parameters = type.parameters.map(({ name, type }) => ({ name, type: to(type) }));
        return { ...type, returns: to(type.returns), parameters };
      }
      case Kind.VOID:
        throw new Error("void is in no BTF");
      default:
        return "type" in type ? { ...type, type: to(type.type) } : (type as NewType);
    }
  }
}
