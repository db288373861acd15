/**
 * Many gibibytes through one ring, while another thread fills it: every record once, in order, and
 * whole. Each way to read has its gibibyte in turn, so positions pass 4 and 8 GiB under several.
 *
 * @module
 */

import { Worker } from "node:worker_threads";
import type { RingBuffer } from "../../maps/index.ts";
import { hostLittleEndian, viewOf } from "../../src/bytes.ts";
import { LargeRecords, lengthOf } from "./large-records.ts";

const GIBIBYTE = 2 ** 30;
const RING_BYTES = 16 * 2 ** 20;
const HEADER = 8;
/** Milliseconds without a record after which something is wrong. */
const PATIENCE = 30_000;

/** What has passed. */
export interface Soaked {
  readonly records: number;
  /** Headers included. */
  readonly bytes: number;
  readonly milliseconds: number;
}

/** Rejects when a record is missing, there twice, out of its order or not whole, or when none comes. */
export async function soakRing(gibibytes: number): Promise<Soaked> {
  // How many records it takes, and which is the first of each gibibyte.
  let count = 0;
  const starts: number[] = [];
  for (let position = 0; position < gibibytes * GIBIBYTE; count++) {
    if (position >= starts.length * GIBIBYTE) starts.push(count);
    position += lengthOf(count) + HEADER;
  }
  using records = new LargeRecords(RING_BYTES, count);
  const { ring, program, counter } = records;
  const start = performance.now();
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const worker = new Worker(new URL(`./record-producer.${extension}`, import.meta.url), {
    workerData: { program: program.number, counter: counter.fd.number, count },
  });
  const reader = new Reader(ring);
  const read = async () => {
    for (const [index, end] of [...starts.slice(1), count].entries()) await reader.read(index, end);
  };
  const failed = new Promise<never>((_, reject) => worker.on("error", reject));
  const ended = new Promise((resolve) => worker.on("exit", resolve));
  let last = -1;
  const { promise: stuck, timer } = watchdog(() => {
    const isStuck = reader.expected === last;
    last = reader.expected;
    return isStuck ? `no record for ${PATIENCE} ms, ${last} came before` : undefined;
  });
  try {
    await Promise.race([read(), failed, stuck]);
  } finally {
    clearInterval(timer);
    await worker.terminate();
    await ended;
  }
  const { consumed, bytes, backlogBytes } = ring.stats();
  if (reader.expected !== count || consumed !== count || backlogBytes !== 0) {
    throw new Error(`${reader.expected} of ${count} came; ${backlogBytes} bytes are left`);
  }
  return {
    records: count,
    bytes: bytes + count * HEADER,
    milliseconds: performance.now() - start,
  };
}

/** Asks now and then whether something is wrong. */
function watchdog(ask: () => string | undefined): {
  promise: Promise<never>;
  timer: NodeJS.Timeout;
} {
  let reject: (error: Error) => void;
  const promise = new Promise<never>((_, fail) => {
    reject = fail;
  });
  const timer = setInterval(() => {
    const wrong = ask();
    if (wrong !== undefined) reject(new Error(wrong));
  }, PATIENCE);
  return { promise, timer };
}

/** Takes records and checks each. */
class Reader {
  /** The number of the next record. */
  expected = 0;
  readonly #ring: RingBuffer<Uint8Array>;
  readonly #ways = [
    (end: number) => this.#listen(end),
    (end: number) => this.#batches(end),
    (end: number) => this.#records(end),
  ];

  constructor(ring: RingBuffer<Uint8Array>) {
    this.#ring = ring;
  }

  /** Reads in the way of this number until `end` is next, or what came with it is taken. */
  async read(way: number, end: number): Promise<void> {
    if (this.expected < end) await this.#ways[way % this.#ways.length]!(end);
  }

  async #listen(end: number): Promise<void> {
    const stop = new AbortController();
    const show = (view: DataView, offset: number, length: number) => {
      this.#take(view, offset, length);
      if (this.expected >= end) stop.abort();
    };
    await this.#ring.listen(show, { signal: stop.signal });
  }

  async #batches(end: number): Promise<void> {
    for await (const batch of this.#ring.batches()) {
      for (const bytes of batch) this.#takeBytes(bytes);
      if (this.expected >= end) break;
    }
  }

  async #records(end: number): Promise<void> {
    for await (const bytes of this.#ring.records()) {
      this.#takeBytes(bytes);
      if (this.expected >= end) break;
    }
  }

  #take(view: DataView, offset: number, length: number): void {
    const { expected } = this;
    const [first, last] = [offset, offset + length - 8].map((at) =>
      Number(view.getBigUint64(at, hostLittleEndian)),
    );
    if (first !== expected || last !== expected || length !== lengthOf(expected)) {
      throw new Error(`record ${first} to ${last} of ${length} bytes in place of ${expected}`);
    }
    this.expected++;
  }

  #takeBytes(bytes: Uint8Array): void {
    this.#take(viewOf(bytes), 0, bytes.length);
  }
}
