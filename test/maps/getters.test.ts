/**
 * Keys and values whose getters use the very map that they are given to; and options and elements
 * that are none.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  createMap,
  type HashMap,
  type PerCpuArrayMap,
  type QueueMap,
  type UpdateOptions,
} from "../../maps/index.ts";
import { possibleCpus } from "../../src/sys/kernel.ts";
import { MapType } from "../../src/uapi.ts";
import { kernelTest } from "../helper/kernel.ts";
import { mapSpec } from "./specs.ts";
import { testTypes } from "./types-builder.ts";

const test = suite("maps/getters");
const types = testTypes();

interface Flow {
  source: number;
  target: number;
}

function flows(): HashMap<Flow, Flow> {
  const { btf, flow } = types;
  const types8 = { btf, keySize: 8, valueSize: 8, keyType: flow, valueType: flow };
  return createMap(mapSpec({ name: "flows", ...types8 })) as HashMap<Flow, Flow>;
}

/** A flow that does something when its second member is read. */
function busy(source: number, target: number, act: () => void): Flow {
  return {
    source,
    get target() {
      act();
      return target;
    },
  };
}

const flow = (source: number, target: number): Flow => ({ source, target });

kernelTest(test, "a getter that uses the map leaves the key and the value that are stored", () => {
  using map = flows();
  map.set(flow(8, 8), flow(80, 80));
  const acts: [what: string, act: () => void][] = [
    ["get", () => map.get(flow(8, 8))],
    ["set", () => map.set(flow(9, 9), flow(90, 90))],
    ["has", () => map.has(flow(8, 8))],
    ["delete", () => map.delete(flow(9, 9))],
    ["walk", () => [...map]],
    ["failure", () => assert.throws(() => map.set(flow(7, 7), flow(-1, 0)), /flow\.source/)],
    [
      "deeper",
      () =>
        map.set(
          flow(9, 9),
          busy(91, 92, () => map.get(flow(8, 8))),
        ),
    ],
  ];
  for (const [what, act] of acts) {
    map.set(busy(1, 2, act), busy(10, 20, act));
    assert.equal(map.get(busy(1, 2, act)), flow(10, 20), what);
    assert.ok(map.has(busy(1, 2, act)), what);
    const lock = {
      get lock() {
        act();
        return false;
      },
    };
    assert.equal(map.get(flow(1, 2), lock), flow(10, 20), what);
    map.set(flow(1, 2), flow(11, 21), lock);
    assert.equal(map.get(flow(1, 2)), flow(11, 21), what);
    assert.equal(map.get(flow(8, 8)), flow(80, 80), what);
    assert.ok(map.delete(busy(1, 2, act)), what);
    map.delete(flow(9, 9));
    assert.is(map.size, 1, what);
  }
  assert.throws(() => map.get(busy(1, 2, () => map.fd.close())), /flows: it was closed/);
});

kernelTest(test, "so it is in queues and in the values of one CPU", () => {
  const { btf, flow: valueType } = types;
  const typed = { btf, valueType, valueSize: 8 };
  using queue = createMap(mapSpec({ type: MapType.QUEUE, keySize: 0, ...typed })) as QueueMap<Flow>;
  queue.push(busy(1, 2, () => queue.push(flow(3, 4))));
  assert.equal([queue.pop(), queue.pop()], [flow(3, 4), flow(1, 2)]);
  using array = createMap(
    mapSpec({ type: MapType.PERCPU_ARRAY, maxEntries: 4, ...typed }),
  ) as PerCpuArrayMap<Flow>;
  array.setAllCpus(
    1,
    busy(1, 2, () => array.setAllCpus(2, flow(3, 4))),
  );
  const all = (value: Flow) => new Array<Flow>(possibleCpus()).fill(value);
  assert.equal([array.get(1), array.get(2)], [all(flow(1, 2)), all(flow(3, 4))]);
});

kernelTest(test, "options and elements that are none are refused by name", () => {
  using map = flows();
  const none = null as unknown as UpdateOptions;
  const text = "lock" as unknown as UpdateOptions;
  const refused: [call: () => unknown, message: RegExp][] = [
    [() => map.get(flow(1, 1), none as object), /^get: the options are null/],
    [() => map.get(flow(1, 1), text as object), /^get: the options are "/],
    [() => map.set(flow(1, 1), flow(1, 1), none), /^set: the options are null/],
    [() => map.batchUpdate([], none), /^batchUpdate: the options are null/],
    [() => map.batchUpdate(null as never), /^batchUpdate of map flows: null is given/],
    [() => map.batchUpdate(undefined as never), /^batchUpdate of map flows: undefined is given/],
    [() => map.batchUpdate({} as never), /^batchUpdate of map flows: object is given/],
    [() => map.batchUpdate([null] as never), /^batchUpdate of map flows: null is given/],
    [() => map.batchUpdate([[flow(1, 1)]] as never), /^batchUpdate .* another array is given/],
    [() => map.batchDelete(null as never), /^batchDelete of map flows: null is given/],
    [() => map.batchLookup(null as never), /^batchLookup: the options are null/],
    [() => map.batchBytes(null as never), /^batchBytes: the options are null/],
    [() => map.batchLookupAndDelete(null as never), /^batchLookupAndDelete: the options are null/],
    [() => map.element().lookup(none as object), /^lookup: the options are null/],
    [() => map.element().update(none), /^update: the options are null/],
  ];
  for (const [call, message] of refused) {
    assert.throws(
      call,
      (error: unknown) => error instanceof TypeError && message.test(error.message),
      `${message}`,
    );
  }
  assert.is(map.size, 0);
});

test.run();
