/**
 * A blob with some of the types of another: chosen types, chosen members. What to choose is decided
 * elsewhere.
 *
 * @module
 */

import type { Btf } from "./btf.ts";
import { BtfBuilder, type NewType } from "./encode.ts";
import { Kind } from "./kind.ts";
import type { BtfType } from "./type.ts";

/** What to take over. */
export interface BtfSelection {
  /** Ids of types, those of a base among them. */
  readonly types: ReadonlySet<number>;
  /** Indexes of members by structure or union; one that is not here keeps none. */
  readonly members: ReadonlyMap<number, ReadonlySet<number>>;
}

/**
 * A blob of the chosen types, numbered anew in their order, in the byte order of `btf` and without
 * a base.
 *
 * A reference to a type that was not chosen becomes one to void. Throws BtfError as `Btf.type`
 * does.
 */
export function subset(btf: Btf, { types, members }: BtfSelection): Uint8Array {
  const chosen = [...types].filter((id) => id !== 0).sort((a, b) => a - b);
  const numbers = new Map(chosen.map((id, index) => [id, index + 1]));
  const renumber = (id: number): number => numbers.get(id) ?? 0;
  const builder = new BtfBuilder();
  for (const id of chosen) builder.add(copy(btf.type(id), renumber, members.get(id)));
  return builder.bytes({ littleEndian: btf.littleEndian });
}

function copy(
  type: BtfType,
  renumber: (id: number) => number,
  members: ReadonlySet<number> | undefined,
): NewType {
  switch (type.kind) {
    case Kind.VOID:
    case Kind.INT:
    case Kind.ENUM:
    case Kind.ENUM64:
    case Kind.FWD:
    case Kind.FLOAT:
      return type;
    case Kind.ARRAY:
      return { ...type, element: renumber(type.element), index: renumber(type.index) };
    case Kind.STRUCT:
    case Kind.UNION:
      return {
        ...type,
        members: type.members
          .filter((_, index) => members?.has(index))
          .map((member) => ({ ...member, type: renumber(member.type) })),
      };
    case Kind.FUNC_PROTO:
      return {
        ...type,
        returns: renumber(type.returns),
        parameters: type.parameters.map(({ name, type: id }) => ({ name, type: renumber(id) })),
      };
    case Kind.DATASEC:
      return {
        ...type,
        variables: type.variables.map((variable) => {
          return { ...variable, type: renumber(variable.type) };
        }),
      };
    default:
      return { ...type, type: renumber(type.type) };
  }
}
