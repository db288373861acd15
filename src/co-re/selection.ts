/**
 * Collects the types and members of a kernel that answers to CO-RE questions rest on. Which
 * candidates are asked is decided in minimal.ts.
 *
 * Marks the same types as `bpftool gen min_core_btf`, and a few more where an answer would change
 * without them.
 *
 * @module
 */

import { type BtfSelection, Kind } from "../../btf/index.ts";
import { isComposite } from "./compatible.ts";
import type { LocalAccess } from "./local-access.ts";
import type { TypeReader } from "./type-reader.ts";

/** How much of what a type refers to is kept with it. */
type Depth = "value" | "pointers" | "members" | "pointed";

/** Types and members to keep; grows by what is marked. */
export class Selection implements BtfSelection {
  readonly types: Set<number> = new Set();
  readonly members: Map<number, Set<number>> = new Map();
  readonly #target: TypeReader;
  readonly #done: Record<Depth, Set<number>> = {
    value: new Set(),
    pointers: new Set(),
    members: new Set(),
    pointed: new Set(),
  };

  /** `target` reads the kernel's types. */
  constructor(target: TypeReader) {
    this.#target = target;
  }

  /** A type by itself: an enumeration, or one whose size or kind is all that is asked. */
  addValue(id: number): void {
    this.#add(id, "value");
  }

  /** A type as `type_exists` compares it: through pointers and prototypes, up to structures. */
  addComparable(id: number): void {
    this.#add(id, "pointers");
  }

  /** A type as `type_matches` compares it: with all members, but those of structures behind pointers. */
  addMatchable(id: number): void {
    this.#add(id, "members");
  }

  /** The members on the way from candidate `id` to a field that it is known to have. */
  addField(local: TypeReader, access: LocalAccess, id: number): void {
    const target = this.#target;
    this.addValue(id);
    let current = target.resolve(id);
    for (const [position, { named, nameOffset }] of access.steps.entries()) {
      if (named) {
        const found = target.findMember(current, local.nameAt(nameOffset), 0, () => true);
        if (found === undefined) return;
        this.#addPath(current, found.owner, found.index);
        current = target.resolve(found.type);
      } else if (position > 0) {
        current = target.resolve(target.arrayElement(current));
      }
    }
  }

  /** Marks a member of `owner`, and the anonymous members through which it is one of `struct`. */
  #addPath(struct: number, owner: number, index: number): boolean {
    if (struct === owner) {
      this.#addMember(struct, index);
      return true;
    }
    const target = this.#target;
    for (let at = 0; ; at++) {
      const member = target.member(struct, at);
      if (member === undefined) return false;
      if (member.nameOffset !== 0) continue;
      const inner = target.resolve(member.type);
      if (!isComposite(target.kind(inner)) || !this.#addPath(inner, owner, index)) continue;
      this.#addMember(struct, at);
      return true;
    }
  }

  #addMember(struct: number, index: number): void {
    const target = this.#target;
    const member = target.member(struct, index);
    if (member === undefined) return;
    let kept = this.members.get(struct);
    if (kept === undefined) {
      kept = new Set();
      this.members.set(struct, kept);
    }
    if (kept.has(index)) return;
    kept.add(index);
    this.addValue(member.type);
    // An empty array at the end has any element. One that is not at the end must not get there.
    const type = target.resolve(member.type);
    const isEmpty = target.kind(type) === Kind.ARRAY && target.arrayLength(type) === 0;
    const last = target.count(struct) - 1;
    if (isEmpty && index < last) this.#addMember(struct, last);
  }

  #add(start: number, depth: Depth): void {
    const waiting: [id: number, depth: Depth][] = [[start, depth]];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [id, how] = next;
      if (id === 0 || this.#done[how].has(id)) continue;
      this.#done[how].add(id);
      this.types.add(id);
      for (const follow of this.#needs(id, how)) waiting.push(follow);
    }
  }

  #needs(id: number, how: Depth): [id: number, depth: Depth][] {
    const type = this.#target.btf.type(id);
    switch (type.kind) {
      case Kind.PTR:
        if (how === "value") return [];
        return [[type.type, how === "pointers" ? how : "pointed"]];
      case Kind.ARRAY:
        return [
          [type.element, how],
          [type.index, how],
        ];
      case Kind.FUNC_PROTO:
        return [type.returns, ...type.parameters.map((parameter) => parameter.type)].map((of) => [
          of,
          how,
        ]);
      case Kind.STRUCT:
      case Kind.UNION:
        if (how !== "members") return [];
        this.members.set(id, new Set(type.members.keys()));
        return type.members.map((member) => [member.type, how]);
      case Kind.TYPEDEF:
      case Kind.VOLATILE:
      case Kind.CONST:
      case Kind.RESTRICT:
      case Kind.TYPE_TAG:
        return [[type.type, how]];
      default:
        return [];
    }
  }
}
