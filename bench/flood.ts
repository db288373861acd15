/**
 * How much of a flood is received: another process makes records as fast as the kernel runs its
 * program, and this one, or libbpf, reads them from a ring of 4 MiB. Meanwhile this one has a timer,
 * and a second stream in which little happens. A reader that follows closely slows the producer, whose
 * records it then receives all: the share tells little without the rate.
 *
 * @module
 */

import { setTimeout as sleep } from "node:timers/promises";
import { programTestRun } from "../src/sys/bpf.ts";
import { startLibbpf } from "./libbpf.ts";
import { READER_CPU, startProducer } from "./producer.ts";
import { RecordProgram, SMALLEST } from "./record-program.ts";
import { pin } from "./rings.ts";
import { print } from "./sample.ts";

/** Who reads, and how. */
export const WAYS = ["callback", "batches", "libbpf"] as const;
export type Way = (typeof WAYS)[number];

/** Bytes of a record. */
export const SIZES = ["16", "64", "256"] as const;

const RING_BYTES = 4 << 20;
const SLOW_BYTES = 0x1000;
/** Milliseconds between two expiries of the timer, and between two events of the slow stream. */
const TIMER = 10;
const SLOW = 5;
/** Milliseconds without a flood, in which the other process gets ready, and the timer shows what the machine does to it. */
const BEFORE = 500;

/** Prints the share that was received of `thousands` of records, and what became of the timer and of the other stream. */
export async function flood(
  size: number,
  way: Way,
  thousands: number,
  script: string,
): Promise<void> {
  using program = new RecordProgram("rb", size, RING_BYTES);
  pin(READER_CPU);
  const { run } = startProducer(script, program.fd, thousands * 1000, "flood");
  const name = `flood.rb${size}`;
  if (way === "libbpf") {
    const reader = await startLibbpf(program.map.fd, "rb", "0");
    await sleep(BEFORE);
    const milliseconds = await elapsed(run);
    if (reader === undefined) return;
    reader.stop();
    printReceived(name, way, program, { received: Number(await reader.output), milliseconds });
    return;
  }
  const stop = new AbortController();
  const reading = read(program, way, stop.signal);
  using others = new Others();
  await sleep(BEFORE);
  const before = others.latest();
  const milliseconds = await elapsed(run);
  while (program.map.stats().backlogBytes > 0) await sleep(1);
  const during = others.latest();
  stop.abort();
  printReceived(name, way, program, { received: await reading, milliseconds });
  print(`${name}.lag.before`, way, before, "ms");
  print(`${name}.lag`, way, during, "ms");
  print(`${name}.slow`, way, 100 * others.share(), "%");
}

async function elapsed(run: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

function printReceived(
  name: string,
  way: Way,
  program: RecordProgram,
  { received, milliseconds }: { received: number; milliseconds: number },
): void {
  const { made, refused } = program.counts();
  if (received + refused !== made) {
    throw new Error(`${made} records: ${received} received, ${refused} refused`);
  }
  const peer = way === "libbpf" ? way : "ts";
  print(`${name}.received`, way, (100 * received) / made, "%", peer);
  print(`${name}.rate`, way, received / milliseconds / 1000, "M/s", peer);
}

/** Reads until the signal aborts; how many records there were. */
async function read({ map }: RecordProgram, way: Way, signal: AbortSignal): Promise<number> {
  let received = 0;
  const take = () => {
    received++;
  };
  if (way === "callback") await map.listen(take, { signal });
  else for await (const batch of map.batches({ signal })) received += batch.length;
  return received;
}

/** What else this process does: a timer, and a stream with an event now and then. */
class Others implements Disposable {
  readonly #program = new RecordProgram("rb", SMALLEST, SLOW_BYTES);
  readonly #stop = new AbortController();
  readonly #timers: readonly NodeJS.Timeout[];
  #seen = 0;
  #lag = 0;

  constructor() {
    const { fd, map } = this.#program;
    const data = new Uint8Array(64);
    let last = performance.now();
    const tick = () => {
      const now = performance.now();
      this.#lag = Math.max(this.#lag, now - last - TIMER);
      last = now;
    };
    this.#timers = [
      setInterval(tick, TIMER),
      setInterval(() => programTestRun(fd, { data }), SLOW),
    ];
    void map.listen(() => this.#seen++, { signal: this.#stop.signal });
  }

  /** How many ms the timer was late at most since this was asked last. */
  latest(): number {
    const lag = this.#lag;
    this.#lag = 0;
    return lag;
  }

  /** Which share of the slow stream's events has come; ends it. */
  share(): number {
    this.#stop.abort();
    this.#program.map.consume(() => this.#seen++);
    const { made, refused } = this.#program.counts();
    if (refused > 0) throw new Error(`${refused} of ${made} lone events had no room`);
    return this.#seen / made;
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    for (const timer of this.#timers) clearInterval(timer);
    this.#program[Symbol.dispose]();
  }
}
