/**
 * Source text that encodes a flat structure in its place: all members are looked at before the first is
 * written, so that nothing has to be put together aside, as encoding in general does it.
 *
 * Only for the usual object, which has just the members of the structure in their order, each of the
 * usual kind; anything else is left to the general encoder, with its messages.
 *
 * @module
 */

import { fits, setter } from "./codec-generate-encode.ts";
import { isInherited } from "./codec-object.ts";
import type { Field, Plan, RecordPlan } from "./codec-plan.ts";
import { literal, plus, type Source } from "./codec-source.ts";

/** Structures with more members or padding gain little, and those with text lose: it is read twice. */
const MOST_FIELDS = 32;
const MOST_PADDING = 16;

/**
 * Adds a function (v, o, x, b, at), which encodes an object `x` to `o` of the view, which is `at` of the
 * bytes, and tells whether it did; gives its name. Undefined for a plan that is not flat.
 */
export function directFunction(source: Source, plan: Plan): string | undefined {
  if (plan.kind !== "record" || !isFlat(plan)) return undefined;
  const padding = paddingOf(plan);
  if (padding === undefined || padding.length > MOST_PADDING) return undefined;
  const name = source.name("f");
  const names = source.constant(plan.fields.map((field) => field.name));
  const reads = plan.fields.map((field, index) => `a${index} = x[${literal(field.name)}]`);
  const tests = plan.fields.map((field, index) => testOf(field.plan, `a${index}`));
  // What is copied may lie in the target's own memory: it goes first.
  const fields = [...plan.fields.entries()].sort(([, a], [, b]) => rank(a) - rank(b));
  const writes = fields.map(([index, field]) => writeOf(field, `a${index}`, source.little));
  const zeros = padding.map((at) => `v.setUint8(${plus("o", at)}, 0);`);
  source.add(`function ${name}(v, o, x, b, at) {
    if (typeof x !== "object" || x === null) return false;
    let i = 0;
    for (const k in x) { if (k !== ${names}[i]) return false; i++; }
    if (i !== ${plan.fields.length}) return false;
    const ${reads.join(", ")};
    if (!(${tests.join(" && ")})) return false;
    ${[...writes, ...zeros].join("\n")}
    return true;
  }`);
  return name;
}

/** Whether each member takes a write that can be told to succeed beforehand. */
function isFlat({ fields, parts, size }: RecordPlan): boolean {
  return (
    size > 0 &&
    fields.length > 0 &&
    fields.length <= MOST_FIELDS &&
    parts.every((part) => "field" in part) &&
    fields.every((field) => isPlain(field)) &&
    // A second one's bytes might lie where the first one goes.
    fields.filter(({ plan }) => plan.kind === "bytes").length <= 1
  );
}

function isPlain({ name, plan }: Field): boolean {
  // An array's members, and what every object has, are not told apart by their names.
  if (isInherited(name) || /^\d/.test(name)) return false;
  if (plan.kind === "bytes") return !plan.flexible && plan.size > 0;
  return plan.kind === "integer" || plan.kind === "float";
}

/** The bytes that belong to no member; undefined when one belongs to two. */
function paddingOf({ fields, size }: RecordPlan): number[] | undefined {
  const padding: number[] = [];
  let end = 0;
  for (const { offset, plan } of fields.toSorted((a, b) => a.offset - b.offset)) {
    if (offset < end) return undefined;
    if (offset - end > MOST_PADDING) return undefined;
    for (; end < offset; end++) padding.push(end);
    end += plan.size;
  }
  if (size - end > MOST_PADDING) return undefined;
  for (; end < size; end++) padding.push(end);
  return padding;
}

function rank({ plan }: Field): number {
  return plan.kind === "bytes" ? 0 : 1;
}

/** An expression that tells whether a value is of the usual kind, and fits. */
function testOf(plan: Plan, value: string): string {
  switch (plan.kind) {
    case "bytes":
      return `isBytes(${value}) && ${value}.length === ${plan.size}`;
    case "float":
      return plan.size === 8
        ? `typeof ${value} === "number"`
        : `typeof ${value} === "number" && Number.isFinite(Math.fround(${value}))`;
    case "integer":
      if (plan.form === "boolean") return `typeof ${value} === "boolean"`;
      return plan.size === 8 && plan.form === "safe"
        ? `Number.isSafeInteger(${value}) && ${value} >= 0`
        : fits(plan, value);
    default:
      throw new TypeError(`a ${plan.kind} is not flat`);
  }
}

function writeOf({ offset, plan }: Field, value: string, little: boolean): string {
  const at = plus("o", offset);
  switch (plan.kind) {
    case "bytes":
      return `b.set(${value}, ${plus("at", offset)});`;
    case "float":
      return `v.setFloat${plan.size * 8}(${at}, ${value}, ${little});`;
    case "integer": {
      if (plan.size !== 8 || plan.form !== "safe") return `v.${setter(plan, at, value, little)};`;
      // Each method takes the 32 bits that it can hold.
      const low = `v.setUint32(${plus("o", offset + (little ? 0 : 4))}, ${value}, ${little});`;
      const top = plus("o", offset + (little ? 4 : 0));
      return `${low} v.setUint32(${top}, ${value} / 0x100000000, ${little});`;
    }
    default:
      throw new TypeError(`a ${plan.kind} is not flat`);
  }
}
