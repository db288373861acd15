import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { DescriptorSlots } from "../../maps/descriptors.ts";
import type { PerfEvents } from "../../maps/perf-events.ts";
import { PerfWaking } from "../../maps/perf-waking.ts";
import { SyscallError } from "../../src/error.ts";
import type { FileDescriptor } from "../../src/sys/fd.ts";

const test = suite("maps/perf waking");
const EPERM = 1;

/** Two CPUs, whose events are 10 and 11, the rare ones 20 and 21; `freezeAfter` says how many more can be put. */
function waking(): { waking: PerfWaking; slots: number[]; freezeAfter: (puts: number) => void } {
  const slots: number[] = [];
  let puts = Number.POSITIVE_INFINITY;
  const set = (index: number, number: number): void => {
    if (puts-- <= 0) throw new SyscallError("put", { errno: EPERM, syscall: "bpf" });
    slots[index] = number;
  };
  const all = [0, 1].map((cpu) => ({
    ring: { cpu },
    event: { number: 10 + cpu },
    quiet: { number: 20 + cpu },
  }));
  const map = { closed: false } as FileDescriptor;
  const made = new PerfWaking(
    map,
    { set } as unknown as DescriptorSlots,
    all as unknown as PerfEvents[],
  );
  return {
    waking: made,
    slots,
    freezeAfter: (count) => {
      puts = count;
    },
  };
}

test("programs wake nobody, or the reader again, and it is told since when", () => {
  const { waking: made, slots } = waking();
  assert.equal([slots, made.isQuiet, made.backSince], [[10, 11], false, undefined]);
  made.setQuiet(true);
  assert.equal([slots, made.isQuiet, made.backSince], [[20, 21], true, undefined]);
  const before = performance.now();
  made.setQuiet(false);
  assert.equal([slots, made.isQuiet], [[10, 11], false]);
  assert.ok((made.backSince ?? 0) >= before);
});

test("a map that others freeze is quiet if any of its events is, for good", () => {
  for (const [puts, expected, isQuiet] of [
    [0, [10, 11], false],
    [1, [20, 11], true],
    [2, [20, 21], true],
    [3, [10, 21], true],
  ] as const) {
    const { waking: made, slots, freezeAfter } = waking();
    freezeAfter(puts);
    for (const quiet of [true, false, true, false]) made.setQuiet(quiet);
    assert.equal([slots, made.isQuiet], [expected, isQuiet], `frozen after ${puts}`);
  }
});

test.run();
