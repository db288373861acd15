/**
 * For the tests of this folder: predicates for `assert.throws`, which takes no classes.
 *
 * @module
 */

import { SyscallError } from "../../src/error.ts";
import { TargetError } from "../../src/target-error.ts";

/** An error of a class. */
export function isA(
  kind: abstract new (...parameters: never[]) => Error,
): (error: unknown) => boolean {
  return (error) => error instanceof kind;
}

/** An error with this `code`. */
export function hasCode(code: string): (error: unknown) => boolean {
  return (error) => (error as { code?: unknown } | null)?.code === code;
}

/** A TargetError with this code, whose message matches. */
export function isTarget(
  code: "ENOENT" | "ERR_TARGET",
  message: RegExp = /^/,
): (error: unknown) => boolean {
  return (error) =>
    error instanceof TargetError && error.code === code && message.test(error.message);
}

/** A SyscallError with this code, whose message matches. */
export function isSyscall(code: string, message: RegExp = /^/): (error: unknown) => boolean {
  return (error) =>
    error instanceof SyscallError && error.code === code && message.test(error.message);
}
