/**
 * What a relocation record means in the object's own BTF: the root type, the steps of its accessor, and the same as C text.
 *
 * Named steps are kept and anonymous levels are folded into the bit offset, since only names mean something in another BTF.
 * Targets are not looked at here.
 *
 * @module
 */

import { type ArrayType, type BtfType, Kind, typeName } from "../../btf/index.ts";
import { BtfError } from "../error.ts";
import { asksEnumerator, asksField, asksType, coreKindName } from "./kind.ts";
import { MAX_STEPS, type TypeReader } from "./type-reader.ts";

/** What identifies a question: a relocation record without its place in the code. */
export interface CoreQuestion {
  /** BTF id of the root type in the object. */
  readonly type: number;
  /** Access path such as `0:1:2`. */
  readonly accessor: string;
  /** `CoreKind`. */
  readonly kind: number;
}

/** A named member of a structure, or (without a name) an element of an array. */
export interface Step {
  /** The structure, or the type of the element. */
  readonly type: number;
  readonly index: number;
  /** Name of the member or enumerator, undefined for an element. */
  readonly name: string | undefined;
  /** The member's type; for an element the same as `type`. */
  readonly memberType: number;
  /** Size of a bitfield, 0 for everything else. */
  readonly bitSize: number;
}

/** A walk from a root type to a field; the first step is the index of the root. */
export interface LocalAccess {
  readonly root: number;
  readonly steps: readonly Step[];
  /** Modulo 2^32, as libbpf counts. */
  readonly bitOffset: number;
}

/** Low 32 bits of the bit offset of element `index`. */
export function elementBits(index: number, size: number): number {
  return Math.imul(Math.imul(index, size), 8) >>> 0;
}

/**
 * Whether `array` is the flexible last member of its structure, so that any index is good.
 *
 * `owner` and `index` say where the array is a member directly; `owner` is undefined for the element of another array.
 */
export function isFlexible(array: ArrayType, owner: BtfType | undefined, index: number): boolean {
  if (array.length > 0 || owner === undefined) return false;
  if (owner.kind !== Kind.STRUCT && owner.kind !== Kind.UNION) return false;
  return index === owner.members.length - 1;
}

/** Decodes a record against the object's BTF; throws BtfError where the accessor does not fit the types. */
export function parseAccess(types: TypeReader, question: CoreQuestion): LocalAccess {
  const { type: root, accessor, kind } = question;
  if (asksType(kind)) {
    if (accessor !== "0")
      throw malformed(question, "a question about a type has no accessor but 0");
    return { root, steps: [], bitOffset: 0 };
  }
  const indexes = parseIndexes(question);
  const start = types.resolved(root);
  const [first = 0] = indexes;
  if (asksEnumerator(kind)) {
    if (start.kind !== Kind.ENUM && start.kind !== Kind.ENUM64) {
      throw malformed(question, "the root is no enumeration");
    }
    const value = indexes.length === 1 ? start.values[first] : undefined;
    if (value === undefined) throw malformed(question, "there is no such enumerator");
    const { name } = value;
    const step: Step = { type: start.id, index: first, name, memberType: start.id, bitSize: 0 };
    return { root, steps: [step], bitOffset: 0 };
  }
  if (!asksField(kind)) throw malformed(question, "this kind of relocation is not known");
  return walk(types, question, indexes, start);
}

function walk(
  types: TypeReader,
  question: CoreQuestion,
  indexes: readonly number[],
  start: BtfType,
): LocalAccess {
  const [first = 0] = indexes;
  const steps: Step[] = [element(start.id, first)];
  let bitOffset = elementBits(first, types.size(start.id));
  let current = start;
  for (const index of indexes.slice(1)) {
    if (current.kind === Kind.STRUCT || current.kind === Kind.UNION) {
      const member = current.members[index];
      if (member === undefined) throw malformed(question, "there is no such member");
      bitOffset = (bitOffset + member.bitOffset) >>> 0;
      if (member.name !== "") {
        const { name, type: memberType, bitSize } = member;
        steps.push({ type: current.id, index, name, memberType, bitSize });
      }
      current = types.resolved(member.type);
    } else if (current.kind === Kind.ARRAY) {
      const before = steps[steps.length - 1] as Step;
      const owner = before.name === undefined ? undefined : types.btf.type(before.type);
      if (index >= current.length && !isFlexible(current, owner, before.index)) {
        throw malformed(question, `${typeName(types.btf, current.id)} has no element ${index}`);
      }
      current = types.resolved(current.element);
      steps.push(element(current.id, index));
      bitOffset = (bitOffset + elementBits(index, types.size(current.id))) >>> 0;
    } else {
      throw malformed(question, `${typeName(types.btf, current.id)} has no members`);
    }
  }
  return { root: question.type, steps, bitOffset };
}

function element(type: number, index: number): Step {
  return { type, index, name: undefined, memberType: type, bitSize: 0 };
}

function parseIndexes(question: CoreQuestion): number[] {
  if (!/^\d+(:\d+)*$/.test(question.accessor))
    throw malformed(question, "the accessor is malformed");
  const indexes = question.accessor.split(":").map(Number);
  if (indexes.length > MAX_STEPS) throw malformed(question, "the accessor has too many steps");
  if (indexes.some((index) => index > 0x7fff_ffff)) {
    throw malformed(question, "an index of the accessor is above 2^31");
  }
  return indexes;
}

function malformed(question: CoreQuestion, reason: string): BtfError {
  const { type, accessor, kind } = question;
  const text = `${coreKindName(kind)} of type ${type} with accessor "${accessor}": ${reason}`;
  return new BtfError(text, { typeId: type });
}

/** The access as C text, such as `task_struct.se.vruntime`, `cpu_rq[1].curr` or `tcp_state::TCP_LISTEN`. */
export function accessText(types: TypeReader, access: LocalAccess, kind: number): string {
  const root = types.btf.name(access.root) || "(anonymous)";
  if (asksEnumerator(kind)) return `${root}::${access.steps[0]?.name}`;
  let text = root;
  for (const [position, { name, index }] of access.steps.entries()) {
    if (name !== undefined) text += `.${name}`;
    else if (position > 0 || index > 0) text += `[${index}]`;
  }
  return text;
}
