import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type NextKey, walkKeys } from "../../maps/iterate.ts";
import { BpfError } from "../../src/error.ts";

const test = suite("maps/iterate");

/**
 * A map of one-byte keys that answers as a hash in the kernel: after a key that is gone it begins
 * again.
 */
function fakeMap(keys: number[]): { keys: number[]; next: NextKey } {
  const map = {
    keys: [...keys],
    next: (previous: Uint8Array | undefined) => {
      const at = previous === undefined ? -1 : map.keys.indexOf(previous[0]!);
      const key = map.keys[at + 1];
      return key === undefined ? undefined : Uint8Array.of(key);
    },
  };
  return map;
}

function collect(keys: Iterable<Uint8Array>): number[] {
  return Array.from(keys, (key) => key[0]!);
}

test("every key once, in the kernel's order", () => {
  assert.equal(collect(walkKeys(fakeMap([]).next, 8, "map m")), []);
  assert.equal(collect(walkKeys(fakeMap([3, 1, 2]).next, 3, "map m")), [3, 1, 2]);
});

test("deleting what the walk hands out deletes all, without a new beginning", () => {
  const map = fakeMap([1, 2, 3, 4]);
  const met: number[] = [];
  let calls = 0;
  const counted: NextKey = (previous) => {
    calls++;
    return map.next(previous);
  };
  for (const key of walkKeys(counted, 4, "map m")) {
    met.push(key[0]!);
    map.keys = map.keys.filter((each) => each !== key[0]);
  }
  assert.equal(met, [1, 2, 3, 4]);
  assert.equal(map.keys, []);
  assert.is(calls, 5);
});

test("a key that vanishes under the walk causes no duplicates", () => {
  const map = fakeMap([1, 2, 3, 4, 5]);
  const met: number[] = [];
  for (const key of walkKeys(map.next, 5, "map m")) {
    met.push(key[0]!);
    // The walk stands on 4 by now, having asked for what follows 3.
    if (key[0] === 3) map.keys = [1, 2, 3, 5];
  }
  assert.equal(met, [1, 2, 3, 4, 5]);
});

test("a map that changes faster than it can be listed ends the walk with an error", () => {
  let calls = 0;
  const restless: NextKey = () => {
    calls++;
    return Uint8Array.of(1 + (calls % 2));
  };
  assert.throws(
    () => collect(walkKeys(restless, 10, "map m")),
    (error: unknown) =>
      error instanceof BpfError && error.code === "ERR_ITERATION" && /map m/.test(error.message),
  );
  assert.ok(calls < 40, `ended after ${calls} calls`);
});

test("property: whatever is deleted, no key comes twice and those that stay all come", () => {
  const scenario = fc.record({
    keys: fc.uniqueArray(fc.nat(30), { maxLength: 12 }),
    deletions: fc.array(fc.nat(30), { maxLength: 12 }),
  });
  fc.assert(
    fc.property(scenario, ({ keys, deletions }) => {
      const map = fakeMap(keys);
      const met: number[] = [];
      const gone = new Set<number>();
      for (const key of walkKeys(map.next, 1000, "map m")) {
        met.push(key[0]!);
        const victim = deletions[met.length - 1];
        if (victim === undefined) continue;
        gone.add(victim);
        map.keys = map.keys.filter((each) => each !== victim);
      }
      assert.is(new Set(met).size, met.length);
      for (const key of keys) if (!gone.has(key)) assert.ok(met.includes(key));
    }),
  );
});

test.run();
