import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Pace, type Turn } from "../../maps/pace.ts";

const test = suite("maps/pace");

const NONE: Turn = { records: 0, unfinished: false, stalled: false, filled: 0 };

/** Reads a ring that fills by `speed` of its size in a millisecond, for so many looks; the pauses between them. */
function pauses(speed: number, looks: number, { pause = 1, taking = 0.01 } = {}): number[] {
  const pace = new Pace(pause, 0);
  const found: number[] = [];
  let [now, emptied] = [1, 0];
  for (let look = 0; look < looks; look++) {
    const looked = now;
    const filled = Math.min(1, speed * (looked - emptied));
    emptied = looked;
    now += taking;
    const turn = { ...NONE, records: Math.ceil(filled * 10_000), filled };
    const next = pace.after(turn, looked, now);
    if (next === undefined) throw new Error(`look ${look} is the last`);
    found.push(next);
    now += next;
  }
  return found;
}

test("a ring with few records is waited for, one with many is left alone", () => {
  const quiet = new Pace(1, 0);
  assert.is(quiet.after(NONE, 1, 1), undefined);
  assert.is(quiet.after({ ...NONE, records: 15, filled: 0.9 }, 2, 2), undefined);
  assert.is(quiet.after({ ...NONE, records: 16, filled: 0.01 }, 3, 3), 1);
  assert.is(new Pace(0, 0).after({ ...NONE, records: 1000, filled: 1 }, 1, 1), undefined);
});

test("pauses become as short as it takes for a quarter of the ring to fill", () => {
  for (const speed of [0.3, 0.5, 1, 2]) {
    const [last = 0] = pauses(speed, 20).slice(-1);
    // What is taken within a pause and the look before it.
    const filled = speed * (last + 0.01);
    assert.ok(filled > 0.24 && filled <= 0.251, `${filled} at ${speed} a millisecond`);
  }
  assert.equal(new Set(pauses(0.2, 20)), new Set([1]), "no longer than they may be");
  assert.ok(pauses(0.01, 20, { pause: 10 }).every((each) => each === 10));
});

test("after a ring was found full, the pause is a quarter of the time that this took at most", () => {
  // Faster than can be known: it may have been full for long.
  const pace = new Pace(1, 0);
  const full = { ...NONE, records: 10_000, filled: 1 };
  assert.is(pace.after(full, 1, 1), 0.25);
  assert.is(pace.after(full, 1.5, 1.5), 0.125);
  assert.is(pace.after(full, 1.6, 1.6), 0, "shorter pauses are not worth their wake-up");
  assert.is(pace.after(full, 2.6, 3), 0, "what is taken takes time, too");
});

test("what a budget has left is taken at once, a record that is being written soon, or after a pause", () => {
  const pace = new Pace(5, 0);
  assert.is(pace.after({ ...NONE, records: 16_384, unfinished: true, filled: 0.3 }, 1, 5), 0);
  const stalled = { ...NONE, stalled: true };
  assert.equal([pace.after(stalled, 6, 6), pace.after(stalled, 7, 7)], [0, 5]);
});

test.run();
