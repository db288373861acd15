/**
 * What waiting costs: the CPU time of a process that reads streams in which nothing happens.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { RecordProgram, SMALLEST, type StreamKind } from "./record-program.ts";
import { print } from "./sample.ts";

/** How many streams are waited for. */
export const STREAMS = ["0", "1", "16"] as const;

const RING_BYTES = 0x4_0000;
/**
 * Milliseconds after which V8 has nothing left to do. It collects garbage once after 8 seconds without
 * work, for 20 ms, which would be 0.2 % of the ten seconds that follow.
 */
const SETTLED = 10_000;

/** Prints the share of one CPU that `seconds` of waiting for so many streams take. */
export async function idle(kind: StreamKind, streams: number, seconds: number): Promise<void> {
  const programs = Array.from(
    { length: streams },
    () => new RecordProgram(kind, SMALLEST, RING_BYTES),
  );
  const reading = programs.map(({ map }) => map.listen(() => {}));
  await sleep(SETTLED);
  const before = process.cpuUsage();
  const start = performance.now();
  await sleep(seconds * 1000);
  const { user, system } = process.cpuUsage(before);
  const elapsed = performance.now() - start;
  print(`idle.${kind}.busy`, `streams${streams}`, (user + system) / elapsed / 10, "%");
  for (const program of programs) program[Symbol.dispose]();
  await Promise.all(reading);
}
