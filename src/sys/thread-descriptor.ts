/**
 * Descriptors that end with their thread. A worker that is terminated runs no more code of ours, but
 * Node closes what was opened in it through `fs`: so in a worker a descriptor gets a number that Node
 * has opened, on `/dev/null`, and that stands for our file from then on.
 *
 * Memory that a worker has mapped stays until the process ends.
 *
 * @module
 */

import { closeSync, openSync } from "node:fs";
import { native } from "./ffi.ts";
import { looksLikeWorker } from "./thread.ts";

/** `O_CLOEXEC` of `include/uapi/asm-generic/fcntl.h`. */
const O_CLOEXEC = 0x8_0000;
/** Below this are the standard streams. */
const FIRST = 3;

/** Numbers of this thread that Node closes with it, unless we have before. */
const tied = new Set<number>();

/**
 * Takes over `fd` and gives the number to use in its place: in a worker another one, of the same
 * file, which ends with the thread; elsewhere, and where none can be had, `fd` itself.
 */
export function tieToThread(fd: number): number {
  // Asked for each descriptor, also of a program that is over in a moment.
  if (!looksLikeWorker()) return fd;
  let number: number;
  try {
    number = openSync("/dev/null", "r");
  } catch {
    return fd;
  }
  const { close, dup3 } = native();
  if (number < FIRST || dup3(fd, number, O_CLOEXEC) === -1) {
    closeSync(number);
    return fd;
  }
  close(fd);
  tied.add(number);
  return number;
}

/**
 * Closes a number that {@link tieToThread} gave, so that Node forgets it: 0, or the negative errno.
 * Undefined for a number that is not tied, which is for the caller to close.
 */
export function closeTied(number: number): number | undefined {
  if (!tied.delete(number)) return undefined;
  try {
    closeSync(number);
    return 0;
  } catch (error) {
    return (error as { errno: number }).errno;
  }
}
