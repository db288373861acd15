/**
 * Where a process has a file in its memory, as `/proc/PID/maps` tells.
 *
 * @module
 */

import { readFileSync, statSync } from "node:fs";
import { TargetError } from "../src/target-error.ts";

/** A part of a file that a process has mapped to run it. */
export interface CodeMapping {
  readonly start: bigint;
  readonly end: bigint;
  /** Of its first byte in the file. */
  readonly offset: bigint;
}

/** The parts of the file at `path` that process `pid` may run. @throws TargetError when there are none, or no such process. */
export function codeMappings(path: string, pid: number): CodeMapping[] {
  let text: string;
  let inode: bigint;
  try {
    inode = statSync(path, { bigint: true }).ino;
    text = readFileSync(`/proc/${pid}/maps`, "latin1");
  } catch (cause) {
    throw new TargetError(`cannot find out where process ${pid} has ${path} in its memory`, {
      code: "ERR_TARGET",
      target: path,
      cause,
    });
  }
  const found = parseMappings(text, inode);
  if (found.length > 0) return found;
  throw new TargetError(`process ${pid} does not run ${path}`, {
    code: "ERR_TARGET",
    target: path,
  });
}

/** Executable mappings of the file with a number; devices are not compared, which some file systems tell in two ways. */
export function parseMappings(text: string, inode: bigint): CodeMapping[] {
  const found: CodeMapping[] = [];
  const line = /^([0-9a-f]+)-([0-9a-f]+) ..x. ([0-9a-f]+) \S+ (\d+) /gm;
  for (const [, start, end, offset, number] of text.matchAll(line)) {
    if (BigInt(number!) !== inode) continue;
    found.push({
      start: BigInt(`0x${start}`),
      end: BigInt(`0x${end}`),
      offset: BigInt(`0x${offset}`),
    });
  }
  return found;
}

/** Addresses in memory of a byte of the file. */
export function addressesOf(offset: number, mappings: readonly CodeMapping[]): bigint[] {
  const wide = BigInt(offset);
  return mappings
    .filter((one) => wide >= one.offset && wide - one.offset < one.end - one.start)
    .map((one) => one.start + wide - one.offset);
}
