/**
 * The plan of a codec: what lies at which offset and which JavaScript value it becomes, with
 * typedefs followed and anonymous members flattened. Plain data; knows neither BTF nor how it is
 * carried out.
 *
 * @module
 */

/** What an integer becomes; `safe` is a number that must be a safe integer. */
export type Form = "number" | "bigint" | "safe" | "boolean";

interface PlanBase {
  /** Bytes that it takes in an array. */
  readonly size: number;
  /** How many JavaScript values one decoding makes, about; bounds what hostile types can cost. */
  readonly weight: number;
}

/** An integer of a size that DataView reads; a boolean one has size 1. */
export interface IntegerPlan extends PlanBase {
  readonly kind: "integer";
  readonly signed: boolean;
  readonly form: Form;
}

/** `bits` bits that start `shift` bits into a run of `span` bytes. */
export interface BitsPlan extends PlanBase {
  readonly kind: "bits";
  readonly span: number;
  readonly shift: number;
  readonly bits: number;
  readonly signed: boolean;
  readonly form: Form;
}

/** A float of 4 or 8 bytes. */
export interface FloatPlan extends PlanBase {
  readonly kind: "float";
}

/** `char[size]`, a string; flexible: all bytes to the end of the record. */
export interface TextPlan extends PlanBase {
  readonly kind: "text";
  /** Whether it goes to the last byte that is not zero, rather than to the first NUL; never when flexible. */
  readonly whole: boolean;
  readonly flexible: boolean;
}

/** `unsigned char[size]`, or bytes of a type that says nothing about them: a Uint8Array. */
export interface BytesPlan extends PlanBase {
  readonly kind: "bytes";
  readonly flexible: boolean;
}

/** `length` elements, or with `flexible` as many as the rest of the record holds. */
export interface ArrayPlan extends PlanBase {
  readonly kind: "array";
  readonly length: number;
  readonly element: Plan;
  readonly flexible: boolean;
}

/** A structure, union or data section: an object. */
export interface RecordPlan extends PlanBase {
  readonly kind: "record";
  /** As C names it, such as `struct event`. */
  readonly name: string;
  /** All named members, those of anonymous ones among them, in the order of declaration. */
  readonly fields: readonly Field[];
  /** The same as a tree of what must be given to encode: all parts. */
  readonly parts: readonly Part[];
  /** Whether it ends in a flexible array, and so can use more bytes than `size`. */
  readonly flexible: boolean;
}

export type Plan =
  | IntegerPlan
  | BitsPlan
  | FloatPlan
  | TextPlan
  | BytesPlan
  | ArrayPlan
  | RecordPlan;

/** A named member at `offset` bytes into the record. */
export interface Field {
  readonly name: string;
  readonly offset: number;
  readonly plan: Plan;
  /** Whether nothing follows it in the record, so that a flexible array in it gets the rest. */
  readonly tail: boolean;
}

/** One field, by its index in `fields`, or a choice between views of the same bytes. */
export type Part = { readonly field: number } | { readonly choice: Choice };

/** The views of a union, anonymous or not, `offset` bytes into the record. */
export interface Choice {
  readonly offset: number;
  readonly size: number;
  readonly views: readonly View[];
}

/** A view of a union: a field, or the members of an anonymous structure. */
export interface View {
  readonly parts: readonly Part[];
  /** The indexes of all fields in it. */
  readonly fields: readonly number[];
}

/** Whether the plan, reached at the end of a record, uses bytes beyond its size. */
export function isFlexible(plan: Plan): boolean {
  return "flexible" in plan && plan.flexible;
}

/** Whether a member may be left out when encoding: it has no bytes of its own. */
export function isOptional(field: Field): boolean {
  return field.plan.size === 0;
}

/** How many members the plan has, those of each nested record counted once. */
export function fieldCount(plan: Plan): number {
  const seen: Set<Plan> = new Set();
  const open = [plan];
  let count = 0;
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (seen.has(next)) continue;
    seen.add(next);
    if (next.kind === "array") open.push(next.element);
    if (next.kind !== "record") continue;
    count += next.fields.length;
    for (const field of next.fields) open.push(field.plan);
  }
  return count;
}
