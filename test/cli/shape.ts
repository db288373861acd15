/**
 * Compares JSON with the form that it is promised to have: every key is there, and of its kind. Other keys may be added.
 *
 * @module
 */

/** What a value must be: a test of it, the shapes of its keys, or the shape of each item of a list. */
export type Shape = ((value: unknown) => boolean) | { readonly [key: string]: Shape } | Shape[];

/** Complaints about a value, each with its path; none for one that has the shape. */
export function complaints(value: unknown, shape: Shape, path = "$"): string[] {
  if (typeof shape === "function") {
    return shape(value) ? [] : [`${path} is ${JSON.stringify(value)}`];
  }
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return [`${path} is no list`];
    return value.flatMap((item, at) => complaints(item, shape[0]!, `${path}[${at}]`));
  }
  if (typeof value !== "object" || value === null) return [`${path} is no object`];
  const fields = value as Readonly<Record<string, unknown>>;
  return Object.entries(shape).flatMap(([key, of]) =>
    Object.hasOwn(fields, key)
      ? complaints(fields[key], of, `${path}.${key}`)
      : [`no ${path}.${key}`],
  );
}

/** The value once for each key of the shape without that key, in the first object that has it. */
export function* withoutEach(
  value: unknown,
  shape: Shape,
): Generator<[key: string, value: unknown]> {
  if (typeof shape === "function" || typeof value !== "object" || value === null) return;
  if (Array.isArray(shape)) {
    // The item with the most to take away, as one that has an inner map.
    const items = value as unknown[];
    const at = items.reduce<number>(
      (best, item, index) =>
        JSON.stringify(item).length > JSON.stringify(items[best]).length ? index : best,
      0,
    );
    for (const [key, item] of withoutEach(items[at], shape[0]!)) yield [key, items.with(at, item)];
    return;
  }
  for (const [key, of] of Object.entries(shape)) {
    const { [key]: taken, ...rest } = value as Record<string, unknown>;
    yield [key, rest];
    for (const [inner, changed] of withoutEach(taken, of)) {
      yield [`${key}.${inner}`, { ...value, [key]: changed }];
    }
  }
}

export const text: Shape = (value) => typeof value === "string";
export const truth: Shape = (value) => typeof value === "boolean";
/** A number that a double holds, such as a size. */
export const count: Shape = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
/** A number of any size, as a decimal string where a double does not hold it. */
export const integer: Shape = (value) =>
  Number.isSafeInteger(value) ||
  (typeof value === "string" &&
    /^-?\d{16,20}$/.test(value) &&
    !Number.isSafeInteger(Number(value)));
/** Bytes in hexadecimal. */
export const hex: Shape = (value) => typeof value === "string" && /^([0-9a-f]{2})*$/.test(value);

/** One of some values. */
export function oneOf(...values: readonly unknown[]): Shape {
  return (value) => values.includes(value);
}

/** Null, or of the shape. */
export function orNull(shape: Shape): Shape {
  return (value) => value === null || complaints(value, shape).length === 0;
}
