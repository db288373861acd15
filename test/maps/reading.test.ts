import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Pacer } from "../../maps/pacer.ts";
import type { RecordSource, RingSource } from "../../maps/reading.ts";
import { RecordIterator } from "../../maps/ring-iterator.ts";

const test = suite("maps/reading");

test("memory is free for the next reading even if the waiting cannot be ended", async () => {
  const calls: string[] = [];
  const ring: Partial<RecordSource> = {
    available: 0,
    size: 64,
    stalled: false,
    snapshot: () => {},
    advance: () => false,
    halt: () => calls.push("halt"),
    release: () => calls.push("release"),
  };
  const pacer: Pick<Pacer, "wait" | "close"> = {
    wait: () => calls.push("wait"),
    close: () => {
      throw new Error("the map is frozen");
    },
  };
  const source: RingSource = {
    claim: () => ring as RecordSource,
    yield: () => calls.push("yield"),
    pacer: () => pacer as Pacer,
    hold: (work) => work(),
  };
  const budget = { records: 1, milliseconds: 1 };
  const iterator = new RecordIterator(source, () => 0, budget, undefined);
  const waiting = iterator.next();
  assert.throws(() => iterator.end(), /frozen/);
  assert.equal(calls, ["release", "wait", "halt", "release", "yield"]);
  assert.equal(await waiting, { value: undefined, done: true });
});

test.run();
