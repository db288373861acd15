/**
 * How old a lone event is when it is handed over: another process makes one every few milliseconds,
 * with the time in it, and this one, or libbpf, waits for it.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { LostEvents } from "../maps/index.ts";
import { hostLittleEndian } from "../src/bytes.ts";
import { startLibbpf } from "./libbpf.ts";
import { READER_CPU, startProducer } from "./producer.ts";
import { type Event, RecordProgram, SMALLEST, type StreamKind } from "./record-program.ts";
import { pin } from "./rings.ts";
import { print } from "./sample.ts";

/** Who reads, and how. */
export const WAYS = ["callback", "records", "batches", "libbpf"] as const;
export type Way = (typeof WAYS)[number];

const RING_BYTES = 0x4_0000;

/** Prints the age in µs of each of `count` events. */
export async function latency(
  kind: StreamKind,
  way: Way,
  count: number,
  script: string,
): Promise<void> {
  using program = new RecordProgram(kind, SMALLEST, RING_BYTES);
  pin(READER_CPU);
  const { run } = startProducer(script, program.fd, count, "lone");
  const ages = await (way === "libbpf" ? ofLibbpf : ofOurs)(program, { kind, way, count, run });
  for (const age of ages) print(`latency.${kind}`, way, age / 1000, "us", peerOf(way));
}

function peerOf(way: Way): string {
  return way === "libbpf" ? "libbpf" : "ts";
}

interface Measured {
  readonly kind: StreamKind;
  readonly way: Way;
  readonly count: number;
  run(): Promise<void>;
}

async function ofLibbpf(program: RecordProgram, measured: Measured): Promise<number[]> {
  const { kind, count, run } = measured;
  const reader = await startLibbpf(program.map.fd, kind, String(count));
  const producing = run();
  const output = (await reader?.output) ?? "";
  await producing;
  return output.trim().split("\n").filter(Boolean).map(Number);
}

async function ofOurs(program: RecordProgram, measured: Measured): Promise<number[]> {
  const { way, count, run } = measured;
  const { map } = program;
  const ages = new Float64Array(count);
  let taken = 0;
  const stop = new AbortController();
  const { signal } = stop;
  const take = (time: number): void => {
    ages[taken++] = Number(process.hrtime.bigint()) - time;
    if (taken === count) stop.abort();
  };
  const show = (view: DataView, offset: number): void => {
    take(Number(view.getBigUint64(offset, hostLittleEndian)));
  };
  const takeEvent = (event: Event | LostEvents): void => {
    if (event instanceof LostEvents) throw new Error(`${event.lost} events were lost`);
    take(event.time);
  };
  const reading = (async () => {
    if (way === "callback") await map.listen(show, { signal });
    else if (way === "records") for await (const event of map.records({ signal })) takeEvent(event);
    else for await (const batch of map.batches({ signal })) batch.forEach(takeEvent);
  })();
  // The reader waits by then, and the producer is ready.
  await sleep(200);
  await Promise.all([run(), reading]);
  return [...ages];
}
