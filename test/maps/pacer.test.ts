import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Turn } from "../../maps/pace.ts";
import { Pacer } from "../../maps/pacer.ts";
import { native } from "../../src/sys/ffi.ts";
import { hostTest } from "../helper/kernel.ts";
import { SLOWNESS } from "../helper/slowness.ts";
import { openRing } from "../sys/programs.ts";

const test = suite("maps/pacer");

/** A look that found so many records that the ring is left alone for a pause. */
const CROWD: Turn = { records: 1_000_000, unfinished: false, stalled: false, filled: 0 };

/** Milliseconds between looks, the least first, at a ring that is left alone for a fifth of one. */
async function shortPauses(): Promise<number[]> {
  const ring = openRing();
  const pacer = new Pacer([ring.map], { pause: 0.2, keepAlive: true });
  const found: number[] = [];
  for (let look = 0; look < 15; look++) {
    const start = performance.now();
    await new Promise<void>((resolve) => pacer.wait(CROWD, resolve));
    found.push(performance.now() - start);
  }
  pacer.close();
  ring.close();
  return found.sort((a, b) => a - b);
}

hostTest(test, "a pause may be shorter than the timers of Node", async () => {
  const [least = 0] = await shortPauses();
  assert.ok(least >= 0.2 && least < 0.9, `${least} ms`);
});

hostTest(
  test,
  "no short pause becomes a long one where a timer asks for what is there",
  async () => {
    const functions = native() as { poll: unknown };
    const { poll } = functions;
    functions.poll = undefined;
    try {
      // By the timer of the kernel none would be.
      const [least = 1] = await shortPauses();
      assert.ok(least < 0.2, `${least} ms`);
    } finally {
      functions.poll = poll;
    }
  },
);

hostTest(
  test,
  "looks follow until a program that was not to wake the reader must have ended",
  async () => {
    const ring = openRing();
    const told: boolean[] = [];
    const pacer = new Pacer([ring.map], {
      pause: 1,
      keepAlive: true,
      latched: true,
      waking: {
        get isQuiet() {
          return told.at(-1) === true;
        },
        backSince: undefined,
        setQuiet: (quiet) => {
          if (quiet !== (told.at(-1) ?? false)) told.push(quiet);
        },
      },
    });
    const look = (turn: Turn) => new Promise<void>((resolve) => pacer.wait(turn, resolve));
    await look(CROWD);
    // Nothing is ever readable: at once, a moment later, and much later.
    const start = performance.now();
    const isLate = () => performance.now() - start >= 45;
    // On a machine that stood still until then, one of the first two is the late look.
    for (let quiet = 0; quiet < 3 && !isLate(); quiet++) await look({ ...CROWD, records: 0 });
    assert.ok(isLate());
    assert.equal(told, [true, false]);
    pacer.close();
    ring.close();
  },
);

hostTest(test, "they follow in the next reading as well, if that begins soon", async () => {
  const ring = openRing();
  const backSince = performance.now();
  const pacer = new Pacer([ring.map], {
    pause: 1,
    keepAlive: true,
    latched: true,
    waking: { isQuiet: false, backSince, setQuiet: () => {} },
  });
  let looked = 0;
  const look = () => {
    looked = performance.now();
    pacer.wait({ ...CROWD, records: 0 }, look);
  };
  look();
  const end = backSince + 1000 * SLOWNESS;
  while (looked < backSince + 45 && performance.now() < end) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.ok(looked >= backSince + 45);
  pacer.close();
  ring.close();
});

test.run();
