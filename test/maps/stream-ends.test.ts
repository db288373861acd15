/**
 * Ways in which a reading ends, while it waits and while it drains, each many times: what was not
 * taken is there for the next reader, and no descriptor is left. How threads and processes end is in
 * `process-ends.test.ts`.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LostEvents, type PerfEventArray, type RingBuffer } from "../../maps/index.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest, tier } from "../helper/kernel.ts";
import { createEvents, PerfProgram } from "./perf-program.ts";
import { createRing, RingProgram, turn } from "./ring-program.ts";

const test = suite("maps/stream ends");

const RECORDS = 40;
const WAYS = ["listen", "records", "batches"] as const;
const ENDS = ["close", "abort", "break", "throw"] as const;
const ENOUGH = "enough";

type End = (typeof ENDS)[number];

/** Emulated guests take 60 ms for one, and only closing has to do with the kernel. */
const [ROUNDS, HERE] = tier === "kernel" ? [5, ["close"] as const] : [200, ENDS];

/** A stream of events with the program that fills it. */
interface Stream {
  readonly map: RingBuffer<Uint8Array> | PerfEventArray<Uint8Array>;
  readonly program: RingProgram | PerfProgram;
}

const streams: Readonly<Record<string, () => Stream>> = {
  "ring buffer": () => {
    const map = createRing(4096);
    return { map, program: new RingProgram(map) };
  },
  "perf buffer": () => {
    const map = createEvents();
    map.openBuffers({ size: 4096 });
    return { map, program: new PerfProgram(map) };
  },
};

/** One reading: how many events it has taken, and how to end it from outside. */
class Round {
  readonly #stream: Stream;
  readonly #abort = new AbortController();
  /** What ends it when an event comes; undefined before it shall. */
  #due: End | undefined;
  #iterator: AsyncIterableIterator<unknown> | undefined;
  taken = 0;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  /** Reads until it ends; an exception of the consumer's own is its end, too. */
  async read(way: (typeof WAYS)[number]): Promise<void> {
    const { map } = this.#stream;
    const { signal } = this.#abort;
    try {
      if (way === "listen") return await map.listen(() => this.#take(1), { signal });
      const iterator = map[way]({ signal }) as AsyncIterableIterator<unknown>;
      this.#iterator = iterator;
      for await (const item of iterator) {
        assert.not(item instanceof LostEvents);
        if (this.#take(Array.isArray(item) ? item.length : 1)) break;
      }
    } catch (error) {
      if ((error as Error).message !== ENOUGH) throw error;
    }
  }

  /** Ends it now if it waits; an exception needs an event to come. */
  endWaiting(end: End): void {
    if (end === "close") this.#stream.map.close();
    else if (end === "abort") this.#abort.abort();
    else if (end === "break" && this.#iterator !== undefined) void this.#iterator.return?.();
    else {
      this.#due = end;
      this.#stream.program.run(1);
    }
  }

  /** Lets the next event end it. */
  endDraining(end: End): void {
    this.#due = end;
  }

  /** Takes events; whether a loop shall break. */
  #take(count: number): boolean {
    this.taken += count;
    // There is more before this turn is over.
    if (this.#due !== undefined && this.taken === count) this.#stream.program.run(1);
    switch (this.#due) {
      case "close":
        this.#stream.map.close();
        break;
      case "abort":
        this.#abort.abort();
        break;
      case "throw":
        throw new Error(ENOUGH);
      case "break":
        return true;
    }
    return false;
  }
}

/** What is still there, by another reader. */
function rest({ map }: Stream): number {
  return map.consume(() => {});
}

async function once(open: () => Stream, end: End, round: number, drains: boolean): Promise<void> {
  const stream = open();
  const { map, program } = stream;
  // Listening has no loop to break.
  const ways = end === "break" ? WAYS.slice(1) : WAYS;
  const way = ways[round % ways.length]!;
  const reading = new Round(stream);
  try {
    if (drains) {
      program.run(RECORDS);
      reading.endDraining(end);
      await reading.read(way);
    } else {
      const ended = reading.read(way);
      // Before it waits for the event loop, and while it does.
      for (let turns = round % 3; turns > 0; turns--) await turn();
      reading.endWaiting(end);
      await ended;
    }
    assert.is(map.fd.closed, end === "close");
    if (map.fd.closed) assert.is(map.stats().consumed, reading.taken);
    else assert.is(reading.taken + rest(stream), program.made, `${way}, ${end}`);
    assert.is(program.refused, 0);
  } finally {
    program.close();
    map.close();
  }
}

for (const [name, open] of Object.entries(streams)) {
  for (const end of HERE) {
    for (const drains of [false, true]) {
      const when = drains ? "drains" : "waits";
      kernelTest(test, `${name}: ${end} while it ${when}, ${ROUNDS} rounds`, async () => {
        await once(open, end, 0, drains);
        await assertNothingLeft(async () => {
          for (let round = 0; round < ROUNDS; round++) await once(open, end, round, drains);
        });
      });
    }
  }
}

test.run();
