/**
 * Objects that are to become structures: which members they give, which they must not have, and
 * which views of a union they speak of. Both back-ends call these. Encodes no values.
 *
 * @module
 */

import { viewOf } from "../src/bytes.ts";
import { writeBits } from "./codec-bits.ts";
import { Fault, isBytes, wrongType } from "./codec-fault.ts";
import type { Choice, Field, Part, Plan, RecordPlan } from "./codec-plan.ts";
import { isOptional } from "./codec-plan.ts";
import { writeRaw, wrongLength } from "./codec-text.ts";

/** What is needed to look at objects for one record. */
export interface Shape {
  readonly plan: RecordPlan;
  readonly names: readonly string[];
  readonly known: ReadonlySet<string>;
}

export function shapeOf(plan: RecordPlan): Shape {
  const names = plan.fields.map((field) => field.name);
  return { plan, names, known: new Set(names) };
}

/**
 * Writes a raw Uint8Array and says that it did; otherwise the value is an object that has no
 * unknown members.
 *
 * Members are those that Object.keys lists, so that getters and methods of a class do not count.
 */
export function writeRawRecord(
  view: DataView,
  offset: number,
  value: unknown,
  shape: Shape,
): value is Uint8Array {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw wrongType(value, `an object (${shape.plan.name})`);
  }
  if (isBytes(value)) return writeRaw(view, offset, value, shape.plan.size);
  const { names, known } = shape;
  // What was written by hand or decoded has just these keys in this order. An array of them, as Object.keys makes it, costs 20 ns.
  let index = 0;
  for (const key in value) {
    if (key === names[index]) index++;
    else if (!known.has(key) && Object.hasOwn(value, key)) {
      const fault = new Fault("type", `no such member in ${shape.plan.name}`);
      fault.path = `.${key}`;
      throw fault;
    }
  }
  return false;
}

/**
 * Whether objects have something of this name without having been given it, so that only own
 * members count.
 */
export function isInherited(name: string): boolean {
  return name in Object.prototype;
}

/**
 * The member of an object, or undefined; `constructor` and the like only where it is the object's
 * own.
 */
export function memberOf(value: object, name: string): unknown {
  if (isInherited(name) && !Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name];
}

/**
 * Writes a raw Uint8Array and says that it did; otherwise the value is an array of `length`.
 *
 * A flexible array, whose `length` is undefined, takes any length.
 */
export function writeRawArray(
  view: DataView,
  offset: number,
  value: unknown,
  length: number | undefined,
  size: number,
): boolean {
  if (isBytes(value)) {
    return writeRaw(view, offset, value, length === undefined ? value.length : size);
  }
  if (!isArray(value))
    throw wrongType(value, `an array${length === undefined ? "" : ` of ${length}`}`);
  if (length !== undefined && value.length !== length) throw wrongLength(value.length, length);
  return false;
}

/** Whether elements can be taken from it: an array, or a typed array such as Uint32Array. */
export function isArray(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && "length" in value);
}

/**
 * Encodes the given views of a union, at least one; several must agree in all bits that both
 * define.
 *
 * A flexible array's elements are not compared: they lie behind the union.
 */
export function writeChoice(
  view: DataView,
  offset: number,
  choice: Choice,
  shape: Shape,
  members: readonly unknown[],
  writers: readonly ((view: DataView, offset: number, members: readonly unknown[]) => void)[],
  little: boolean,
): void {
  const { fields } = shape.plan;
  let given = 0;
  let first = -1;
  for (const [index, { fields: own }] of choice.views.entries()) {
    if (own.every((field) => members[field] === undefined)) continue;
    if (given++ === 0) first = index;
  }
  if (given === 1) {
    writers[first]!(view, offset, members);
    return;
  }
  if (given === 0) {
    const all = choice.views.flatMap((one) => one.fields.map((field) => fields[field]!));
    if (all.every(isOptional)) return;
    throw new Fault("type", `missing, expected one of ${listed(all.map((field) => field.name))}`);
  }
  // Each view is written to zeros; what views before it said is kept aside, with the bits that they
  // said it of.
  const { size } = choice;
  const start = view.byteOffset + offset + choice.offset;
  const region = new Uint8Array(view.buffer, start, size);
  const merged = new Uint8Array(size);
  const defined = new Uint8Array(size);
  for (const [index, one] of choice.views.entries()) {
    if (one.fields.every((field) => members[field] === undefined)) continue;
    region.fill(0);
    writers[index]!(view, offset, members);
    const mask = new Uint8Array(size);
    const written = new DataView(view.buffer, start, size);
    markParts({ mask, written, little }, -choice.offset, one.parts, fields);
    for (let byte = 0; byte < size; byte++) {
      const own = mask[byte]!;
      const before = defined[byte]!;
      if (((region[byte]! ^ merged[byte]!) & own & before) !== 0) {
        const name = fields[one.fields[0]!]!.name;
        throw new Fault(
          "type",
          `the views of a union disagree: ${name} and another given before it, in byte ${byte}; give one`,
        );
      }
      merged[byte] = (merged[byte]! & ~own) | (region[byte]! & (own | ~before));
      defined[byte] = before | own;
    }
  }
  region.set(merged);
}

/** The bits that a view of a union defines, found from its types and from what it has written. */
interface Marks {
  readonly mask: Uint8Array;
  readonly written: DataView;
  readonly little: boolean;
}

function markParts(
  marks: Marks,
  offset: number,
  parts: readonly Part[],
  fields: readonly Field[],
): void {
  for (const part of parts) {
    if ("choice" in part) {
      for (const view of part.choice.views) markParts(marks, offset, view.parts, fields);
    } else {
      const field = fields[part.field]!;
      mark(marks, offset + field.offset, field.plan);
    }
  }
}

function mark(marks: Marks, offset: number, plan: Plan): void {
  const { mask, written, little } = marks;
  switch (plan.kind) {
    case "bits":
      writeBits(viewOf(mask), offset, plan, little, (1n << BigInt(plan.bits)) - 1n);
      break;
    case "record":
      markParts(marks, offset, plan.parts, plan.fields);
      break;
    case "array":
      for (let index = 0; index < plan.length; index++) {
        mark(marks, offset + index * plan.element.size, plan.element);
      }
      break;
    case "text": {
      // What follows the NUL was lost when it was decoded, if it was; whole text has lost nothing.
      let end = plan.whole ? offset + plan.size : offset;
      while (end < offset + plan.size && written.getUint8(end) !== 0) end++;
      mask.fill(0xff, offset, Math.min(end + 1, offset + plan.size));
      break;
    }
    case "float": {
      // So was which one of the many NaNs it had been.
      const value =
        plan.size === 4 ? written.getFloat32(offset, little) : written.getFloat64(offset, little);
      if (!Number.isNaN(value)) mask.fill(0xff, offset, offset + plan.size);
      break;
    }
    default:
      mask.fill(0xff, offset, offset + plan.size);
  }
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 8).join(", ");
  return names.length > 8 ? `${shown}, …` : shown;
}
