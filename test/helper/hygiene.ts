/**
 * What a test must leave as it found it: the descriptors of this process.
 *
 * @module
 */

import { readdirSync } from "node:fs";
import { createServer } from "node:net";
import * as assert from "uvu/assert";
import { linkGetNextId, mapGetNextId, programGetNextId } from "../../src/sys/bpf.ts";

/** How many descriptors this process has open. */
export function openDescriptors(): number {
  // Reading the folder takes one itself, each time.
  return readdirSync("/proc/self/fd").length;
}

let prepared: Promise<void> | undefined;

/** At the first stream libuv opens a descriptor that it keeps; with a pipe for output that was before. */
async function openStream(): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.on("error", reject);
    server.listen(`\0ebpf-test-${process.pid}`, () => server.close(() => resolve()));
  });
}

/** Runs `body` and asserts that it closed every descriptor that it opened. */
export async function assertNothingLeft(body: () => void | Promise<void>): Promise<void> {
  prepared ??= openStream();
  await prepared;
  const before = openDescriptors();
  await body();
  assert.is(openDescriptors(), before, "descriptors");
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

/** What is in the kernel now and was not in `before`; waits a little, since the kernel lets go of objects by and by. */
export async function objectsLeft(before: ReadonlySet<string>): Promise<string[]> {
  let left: string[] = [];
  for (let attempt = 0; attempt < 50; attempt++) {
    left = [...kernelObjects()].filter((object) => !before.has(object));
    if (left.length === 0) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return left;
}
