/**
 * Encoding into the caller's bytes: all of a value or nothing, and zero wherever the value says
 * nothing. The values themselves are written by a back-end.
 *
 * @module
 */

import type { Backend, BackendOptions } from "./codec-backend.ts";
import { outside, ViewCache } from "./codec-backend.ts";
import { isBytes, surface } from "./codec-fault.ts";
import { memberOf } from "./codec-object.ts";
import type { Plan } from "./codec-plan.ts";
import { isFlexible } from "./codec-plan.ts";
import { textSize } from "./codec-utf8.ts";

/** See `Codec.encode`. */
export type Encoder = (value: unknown, bytes: Uint8Array, offset?: number) => void;

/** Scratch memory of up to so many bytes is kept for the next value. */
const KEPT_SIZE = 65_536;

/** Memory in which a value is put together. */
interface Scratch {
  readonly view: DataView;
  readonly bytes: Uint8Array;
  /** As many zeros: next to a system call `fill` takes 25 ns longer than `set`. */
  readonly zeros: Uint8Array;
}

function makeScratch(size: number): Scratch {
  const buffer = new ArrayBuffer(size);
  const zeros = new Uint8Array(size <= KEPT_SIZE ? size : 0);
  return { view: new DataView(buffer), bytes: new Uint8Array(buffer), zeros };
}

/** An encoder on top of a back-end's writer. */
export function encoderOf(write: Backend["write"], options: BackendOptions): Encoder {
  return isScalar(options.plan) ? encodeScalar(write, options) : encodeWhole(write, options);
}

/** Whether a value of the plan takes one write, before which it is checked. */
export function isScalar({ kind }: Plan): boolean {
  return kind === "integer" || kind === "float";
}

/** A value that is checked before its one write goes to its place at once. */
function encodeScalar(write: Backend["write"], { plan, root }: BackendOptions): Encoder {
  const cache = new ViewCache();
  const { size } = plan;
  return (value, bytes, offset = 0) => {
    const view = bytes === cache.bytes ? cache.view : cache.adopt(bytes);
    if (!(offset >= 0 && offset + size <= bytes.length)) {
      throw outside(root, size, offset, bytes.length);
    }
    try {
      write(view, cache.base + offset, value);
    } catch (error) {
      throw surface(error, root);
    }
  };
}

/** Other values are put together aside, so that an error leaves the target as it was. */
function encodeWhole(write: Backend["write"], { plan, root }: BackendOptions): Encoder {
  const { size } = plan;
  const flexible = isFlexible(plan);
  let free: Scratch | undefined;
  return (value, bytes, offset = 0) => {
    if (!isBytes(bytes)) throw new TypeError("decoding and encoding need a Uint8Array");
    try {
      const extent = flexible ? Math.max(size, extentOf(plan, value)) : size;
      if (!(offset >= 0 && offset + extent <= bytes.length)) {
        throw outside(root, extent, offset, bytes.length);
      }
      // A getter of the value may encode with this same codec: what is in use is not found here.
      let scratch = free;
      free = undefined;
      if (scratch === undefined || extent !== size) scratch = makeScratch(extent);
      else scratch.bytes.set(scratch.zeros);
      write(scratch.view, 0, value);
      bytes.set(scratch.bytes, offset);
      if (extent === size && size <= KEPT_SIZE) free = scratch;
    } catch (error) {
      throw surface(error, root);
    }
  };
}

/** Where the elements of flexible arrays in a value end, 0 where there are none. */
function extentOf(plan: Plan, value: unknown): number {
  if (!isFlexible(plan)) return 0;
  if (plan.kind !== "record") return restOf(plan, value);
  if (typeof value !== "object" || value === null || isBytes(value)) return 0;
  let end = 0;
  for (const field of plan.fields) {
    if (!field.tail || !isFlexible(field.plan)) continue;
    const rest = extentOf(field.plan, memberOf(value, field.name));
    if (rest > 0) end = Math.max(end, field.offset + rest);
  }
  return end;
}

/** The bytes that a value takes in a flexible array; 0 for one that will be refused. */
function restOf(plan: Plan, value: unknown): number {
  if (isBytes(value)) return value.length;
  if (typeof value === "string") return plan.kind === "text" ? textSize(value) : 0;
  const isList = Array.isArray(value) || ArrayBuffer.isView(value);
  const { length = 0 } = isList ? (value as { length?: number }) : {};
  return length * (plan.kind === "array" ? plan.element.size : 1);
}
