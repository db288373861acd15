/**
 * How a codec says which field a value failed in: the failure is raised where it happens and
 * gathers its path on the way out, so that nothing about paths is done while all goes well. Knows
 * no types.
 *
 * @module
 */

/** A failed value inside a codec; never leaves one: `surface` makes the caller's error of it. */
export class Fault extends Error {
  override name = "Fault";
  readonly kind: "range" | "type";
  /** What leads from the codec's own value to the failed one, such as `.address[2].port`. */
  path = "";

  constructor(kind: "range" | "type", message: string) {
    super(message);
    this.kind = kind;
  }
}

/**
 * Puts `step` before the path of a fault; other errors pass as they are. For `throw prefix(error,
 * step)`.
 */
export function prefix(error: unknown, step: string): unknown {
  if (error instanceof Fault) error.path = step + error.path;
  return error;
}

/**
 * The RangeError or TypeError that a caller sees, its path starting at `root`; other errors pass as
 * they are.
 */
export function surface(error: unknown, root: string): unknown {
  if (!(error instanceof Fault)) return error;
  const text = `${root}${error.path}: ${error.message}`;
  return error.kind === "range" ? new RangeError(text) : new TypeError(text);
}

/** A short text for any value, in messages; calls no code of the value's own. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value);
    case "number":
    case "bigint":
    case "boolean":
    case "undefined":
      return String(value);
    case "object":
      if (value === null) return "null";
      if (Array.isArray(value)) return `an array of ${value.length}`;
      if (isBytes(value)) return `a Uint8Array of ${value.length}`;
      return "an object";
    default:
      return `a ${typeof value}`;
  }
}

/**
 * The fault for a value of a wrong type, or for no value at all; `wanted` as in "a number or bigint
 * (u32)".
 */
export function wrongType(value: unknown, wanted: string): Fault {
  return value === undefined
    ? new Fault("type", `missing, expected ${wanted}`)
    : new Fault("type", `expected ${wanted}, found ${describe(value)}`);
}

/**
 * Whether it is a Uint8Array, of this realm or (as a Buffer under some test runners) of another.
 */
export function isBytes(value: unknown): value is Uint8Array {
  return (
    value instanceof Uint8Array ||
    (ArrayBuffer.isView(value) &&
      (value as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag] === "Uint8Array")
  );
}
