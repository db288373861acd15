/**
 * Walking from type to type: what a type refers to, and all that can be reached from some types.
 * Says nothing of what the types mean.
 *
 * @module
 */

import type { Btf } from "./btf.ts";
import { Kind } from "./kind.ts";
import type { BtfType } from "./type.ts";

/**
 * Ids of the types that a type names directly, in the order in which it does: members, elements,
 * parameters and so on. Void is among them as 0.
 */
export function references(type: BtfType): number[] {
  switch (type.kind) {
    case Kind.ARRAY:
      return [type.element, type.index];
    case Kind.STRUCT:
    case Kind.UNION:
      return type.members.map((member) => member.type);
    case Kind.FUNC_PROTO:
      return [type.returns, ...type.parameters.map((parameter) => parameter.type)];
    case Kind.DATASEC:
      return type.variables.map((variable) => variable.type);
    case Kind.VOID:
    case Kind.INT:
    case Kind.ENUM:
    case Kind.ENUM64:
    case Kind.FWD:
    case Kind.FLOAT:
      return [];
    default:
      return [type.type];
  }
}

/**
 * Ids of all types that can be reached from `roots`, these included, ascending; void is left out.
 *
 * Tags on a declaration refer to it and not the other way: they are reached from themselves only.
 * Throws BtfError as `Btf.type` does.
 */
export function reachable(btf: Btf, roots: Iterable<number>): number[] {
  const seen = new Uint8Array(btf.typeCount);
  const waiting: number[] = [];
  const visit = (id: number): void => {
    if (seen[id] === 1) return;
    seen[id] = 1;
    waiting.push(id);
  };
  for (const id of roots) visit(id);
  const found: number[] = [];
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    if (id !== 0) found.push(id);
    for (const target of references(btf.type(id))) visit(target);
  }
  return found.sort((a, b) => a - b);
}
