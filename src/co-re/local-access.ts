/**
 * What a relocation record means in the object's own BTF: the root type, the steps of its accessor,
 * and the same as C text.
 *
 * Named steps are kept and anonymous levels are folded into the bit offset, since only names mean
 * something in another BTF. Targets are not looked at here.
 *
 * @module
 */

import { Kind, typeName } from "../../btf/index.ts";
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

/** A named member of a structure, an element of an array, or an enumerator. */
export interface Step {
  readonly named: boolean;
  /** The structure, the type of the element, or the enumeration. */
  readonly type: number;
  readonly index: number;
  /** The type of the member; for an element and an enumerator the same as `type`. */
  readonly memberType: number;
  /** Size of a bitfield, 0 for everything else. */
  readonly bitSize: number;
  /** Where the member's name is in the BTF's strings; 0 where the step is no member. */
  readonly nameOffset: number;
}

/** Where a question ends up in one BTF; `last` is undefined for questions about types. */
export interface Place {
  readonly root: number;
  readonly last: Step | undefined;
  /** Modulo 2^32, as libbpf counts. */
  readonly bitOffset: number;
}

/** A walk from a root type to a field, with its end; the first step is the index of the root. */
export interface LocalAccess extends Place {
  readonly steps: readonly Step[];
}

/** A step to an element of an array. */
export function elementStep(type: number, index: number): Step {
  return { named: false, type, index, memberType: type, bitSize: 0, nameOffset: 0 };
}

/** A step to an enumerator. */
export function enumeratorStep(type: number, index: number): Step {
  return { named: true, type, index, memberType: type, bitSize: 0, nameOffset: 0 };
}

/** Low 32 bits of the bit offset of element `index`. */
export function elementBits(index: number, size: number): number {
  return Math.imul(Math.imul(index, size), 8) >>> 0;
}

/**
 * Whether element `index` is in the array to which `before` led: any is, where the array is the
 * flexible last member.
 */
export function hasElement(types: TypeReader, array: number, index: number, before: Step): boolean {
  const length = types.arrayLength(array);
  if (index < length) return true;
  return length === 0 && before.named && before.index === types.count(before.type) - 1;
}

/**
 * Decodes a record against the object's BTF; throws BtfError where the accessor does not fit the
 * types.
 */
export function parseAccess(types: TypeReader, question: CoreQuestion): LocalAccess {
  const { type: root, accessor, kind } = question;
  if (asksField(kind)) return walk(types, question);
  if (asksType(kind)) {
    if (accessor !== "0")
      throw malformed(question, "a question about a type has no accessor but 0");
    return { root, steps: [], last: undefined, bitOffset: 0 };
  }
  const indexes = parseIndexes(question);
  const start = types.resolve(root);
  if (!asksEnumerator(kind)) throw malformed(question, "this kind of relocation is not known");
  const startKind = types.kind(start);
  if (startKind !== Kind.ENUM && startKind !== Kind.ENUM64) {
    throw malformed(question, "the root is no enumeration");
  }
  const first = indexes[0] ?? 0;
  if (indexes.length > 1 || first >= types.count(start)) {
    throw malformed(question, "there is no such enumerator");
  }
  const last = enumeratorStep(start, first);
  return { root, steps: [last], last, bitOffset: 0 };
}

function walk(types: TypeReader, question: CoreQuestion): LocalAccess {
  const indexes = parseIndexes(question);
  const start = types.resolve(question.type);
  let before = elementStep(start, indexes[0] ?? 0);
  const steps = [before];
  let bitOffset = elementBits(before.index, types.size(start));
  let current = start;
  for (let at = 1; at < indexes.length; at++) {
    const index = indexes[at]!;
    const kind = types.kind(current);
    if (kind === Kind.STRUCT || kind === Kind.UNION) {
      const member = types.member(current, index);
      if (member === undefined) throw malformed(question, "there is no such member");
      const { type: memberType, bitSize, nameOffset } = member;
      bitOffset = (bitOffset + member.bitOffset) >>> 0;
      if (nameOffset !== 0) {
        before = { named: true, type: current, index, memberType, bitSize, nameOffset };
        steps.push(before);
      }
      current = types.resolve(memberType);
    } else if (kind === Kind.ARRAY) {
      if (!hasElement(types, current, index, before)) {
        throw malformed(question, `${typeName(types.btf, current)} has no element ${index}`);
      }
      current = types.resolve(types.arrayElement(current));
      before = elementStep(current, index);
      steps.push(before);
      bitOffset = (bitOffset + elementBits(index, types.size(current))) >>> 0;
    } else {
      throw malformed(question, `${typeName(types.btf, current)} has no members`);
    }
  }
  return { root: question.type, steps, last: before, bitOffset };
}

const DIGIT_0 = 0x30;
const COLON = 0x3a;

function parseIndexes(question: CoreQuestion): number[] {
  const { accessor } = question;
  const indexes: number[] = [];
  let index = -1;
  for (let at = 0; at <= accessor.length; at++) {
    const code = at === accessor.length ? COLON : accessor.charCodeAt(at);
    if (code === COLON) {
      if (index < 0) throw malformed(question, "the accessor is malformed");
      indexes.push(index);
      index = -1;
    } else {
      if (code < DIGIT_0 || code > DIGIT_0 + 9)
        throw malformed(question, "the accessor is malformed");
      index = Math.max(index, 0) * 10 + code - DIGIT_0;
      if (index > 0x7fff_ffff) throw malformed(question, "an index of the accessor is above 2^31");
    }
  }
  if (indexes.length > MAX_STEPS) throw malformed(question, "the accessor has too many steps");
  return indexes;
}

function malformed(question: CoreQuestion, reason: string): BtfError {
  const { type, accessor, kind } = question;
  const text = `${coreKindName(kind)} of type ${type} with accessor "${accessor}": ${reason}`;
  return new BtfError(text, { typeId: type });
}

/** The name of an enumerator. */
export function enumeratorName(types: TypeReader, { type: id, index }: Step): string {
  const type = types.btf.type(id);
  if (type.kind !== Kind.ENUM && type.kind !== Kind.ENUM64) return "";
  return type.values[index]?.name ?? "";
}

/** Characters of a path that are written; objects may nest and name things without end. */
const MAX_PATH = 1024;
/** Bytes of a member's name that are read for texts. */
export const MAX_MEMBER_NAME = 256;

/**
 * The access as C text, such as `task_struct.se.vruntime`, `cpu_rq[1].curr` or
 * `tcp_state::TCP_LISTEN`.
 */
export function accessText(types: TypeReader, access: LocalAccess, kind: number): string {
  const root = types.btf.name(access.root) || "(anonymous)";
  const [first] = access.steps;
  if (asksEnumerator(kind) && first !== undefined)
    return `${root}::${enumeratorName(types, first)}`;
  let text = root;
  for (const [position, { named, nameOffset, index }] of access.steps.entries()) {
    if (text.length > MAX_PATH) return `${text}…`;
    if (named) text += `.${types.btf.strings.get(nameOffset, MAX_MEMBER_NAME)}`;
    else if (position > 0 || index > 0) text += `[${index}]`;
  }
  return text;
}
