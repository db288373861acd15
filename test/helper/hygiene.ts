/**
 * What a test must leave as it found it: the descriptors of this process.
 *
 * @module
 */

import { randomUUID } from "node:crypto";
import { readdirSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";
import * as assert from "uvu/assert";
import { holdersOf } from "../../src/cli/holders.ts";
import { linkGetNextId, mapGetNextId, programGetNextId } from "../../src/sys/bpf.ts";
import { eventually } from "./process.ts";

/** How many descriptors this process has open. */
export function openDescriptors(): number {
  // Reading the folder takes one itself, each time.
  return readdirSync("/proc/self/fd").length;
}

/** The descriptors of this process, each with what it leads to. */
function descriptors(): string[] {
  return readdirSync("/proc/self/fd").flatMap((number) => {
    try {
      return [`${number} -> ${readlinkSync(`/proc/self/fd/${number}`)}`];
    } catch {
      // The folder's own.
      return [];
    }
  });
}

let prepared: Promise<void> | undefined;

/** At the first stream libuv opens a descriptor that it keeps; with a pipe for output that was before. */
async function openStream(): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.on("error", reject);
    server.listen(`\0ebpf-test-${randomUUID()}`, () => server.close(() => resolve()));
  });
}

/** Runs `body` and asserts that it closed every descriptor that it opened. What closes by and by of earlier tests is not its. */
export async function assertNothingLeft(body: () => void | Promise<void>): Promise<void> {
  prepared ??= openStream();
  await prepared;
  const before = new Set(descriptors());
  await body();
  const after = descriptors();
  if (after.length === before.size) return;
  const added = after.filter((one) => !before.has(one));
  assert.equal(added, [], "descriptors");
}

/** Ids of all programs, maps and links in the kernel, also those of other processes. */
export function kernelObjects(): Set<string> {
  const found = new Set<string>();
  const kinds = { program: programGetNextId, map: mapGetNextId, link: linkGetNextId };
  for (const [kind, next] of Object.entries(kinds)) {
    for (let id = next(0); id !== undefined; id = next(id)) found.add(`${kind} ${id}`);
  }
  return found;
}

/** After so many looks at the kernel's objects there is one at who has them. */
const LOOKS = 20;

/**
 * What is in the kernel now and was not in `before`, but for what a process other than this one has open; waits, since the kernel lets
 * go of objects by and by.
 */
export async function objectsLeft(before: ReadonlySet<string>): Promise<string[]> {
  let left: string[] = [];
  let looks = 0;
  await eventually(() => {
    left = [...kernelObjects()].filter((object) => !before.has(object));
    if (left.length === 0) return true;
    // To look at all processes takes a while, and most objects go at once.
    if (++looks % LOOKS !== 0) return false;
    const others = objectsOfOthers();
    left = left.filter((object) => !others.has(object));
    return left.length === 0;
  });
  return left;
}

/** Programs, maps and links that other processes of the machine have open. */
function objectsOfOthers(): Set<string> {
  const found = new Set<string>();
  for (const kind of ["program", "map", "link"] as const) {
    for (const [id, holders] of holdersOf(kind)) {
      if (holders.some(({ pid }) => pid !== process.pid)) found.add(`${kind} ${id}`);
    }
  }
  return found;
}
