import { constants } from "node:buffer";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BpfError, SyscallError } from "../../src/error.ts";
import { mapCreate, mapFreeze } from "../../src/sys/bpf.ts";
import type { FileDescriptor } from "../../src/sys/fd.ts";
import { pageSize } from "../../src/sys/kernel.ts";
import { MapAccess } from "../../src/sys/map-access.ts";
import { Mapping } from "../../src/sys/mapping.ts";
import { MapFlags, MapType } from "../../src/uapi.ts";
import { isA } from "../helper/errors.ts";
import { hostTest, kernelTest } from "../helper/kernel.ts";
import { runChild } from "./child.ts";

const test = suite("sys/mapping");

function mappable(): FileDescriptor {
  return mapCreate(
    { type: MapType.ARRAY, keySize: 4, valueSize: 8, maxEntries: 16, flags: MapFlags.MMAPABLE },
    "map counters",
  );
}

kernelTest(test, "what is written is what the map holds, and the other way round", () => {
  const map = mappable();
  const access = new MapAccess(map, 4, 8);
  const mapping = Mapping.map(map, pageSize(), { writable: true });
  assert.is(mapping.length, pageSize());
  assert.is(mapping.buffer.byteLength, pageSize());
  const words = new BigUint64Array(mapping.buffer);
  words[3] = 77n;
  access.key[0] = 3;
  assert.ok(access.lookup());
  assert.is(access.value[0], 77);
  access.value[0] = 78;
  access.update();
  assert.is(words[3], 78n);
  // The mapping lives without the descriptor.
  map.close();
  words[3] = 79n;
  assert.is(new BigUint64Array(mapping.buffer)[3], 79n);
  mapping.close();
});

kernelTest(test, "a closed mapping gives no buffer, and old views hold nothing", () => {
  const map = mappable();
  const mapping = Mapping.map(map, pageSize(), { writable: true });
  const words = new BigUint64Array(mapping.buffer);
  words[0] = 5n;
  mapping.close();
  mapping.close();
  assert.ok(mapping.closed);
  assert.throws(
    () => mapping.buffer,
    (error: unknown) =>
      error instanceof BpfError &&
      error.code === "ERR_CLOSED" &&
      /mapping of map counters/.test(error.message),
  );
  // Detached since Node 22, covered by zeros before.
  assert.not.equal(words[0], 5n);
  words[0] = 6n;
  const access = new MapAccess(map, 4, 8);
  assert.ok(access.lookup());
  assert.is(access.value[0], 5);
  map.close();
});

kernelTest(test, "lengths and offsets that would end the process are refused", () => {
  const map = mappable();
  for (const length of [0, -1, 1.5, Number.NaN, constants.MAX_LENGTH + 1]) {
    assert.throws(() => Mapping.map(map, length, { writable: false }), isA(RangeError));
  }
  for (const offset of [-4096, 0.5]) {
    assert.throws(() => Mapping.map(map, 4096, { writable: false, offset }), isA(RangeError));
  }
  map.close();
  assert.throws(() => Mapping.map(map, 4096, { writable: false }), /it was closed/);
});

kernelTest(test, "what the kernel does not map is an error with the reason", () => {
  const plain = mapCreate(
    { type: MapType.ARRAY, keySize: 4, valueSize: 8, maxEntries: 16 },
    "map plain",
  );
  assert.throws(
    () => Mapping.map(plain, 4096, { writable: false }),
    (error: unknown) =>
      error instanceof SyscallError && error.syscall === "mmap" && /map plain/.test(error.message),
  );
  plain.close();
  const frozen = mappable();
  mapFreeze(frozen);
  assert.throws(
    () => Mapping.map(frozen, 4096, { writable: true }),
    (error: unknown) => error instanceof SyscallError && error.code === "EPERM",
  );
  const mapping = Mapping.map(frozen, 4096, { writable: false });
  assert.is(new Uint8Array(mapping.buffer)[0], 0);
  mapping.close();
  frozen.close();
});

hostTest(
  test,
  "views that outlive their mapping crash nothing, and its memory goes back",
  async () => {
    const result = await runChild(
      `
    import { readFileSync } from "node:fs";
    const { mapCreate } = await sys("bpf");
    const { Mapping } = await sys("mapping");
    const size = () => Number(/^VmSize:\\s+(\\d+)/m.exec(readFileSync("/proc/self/status", "utf8"))[1]);
    const map = mapCreate({ type: 2, keySize: 4, valueSize: 8, maxEntries: 1 << 20, flags: 0x400 }, "map x");
    let sum = 0;
    function round() {
      const mapping = Mapping.map(map, 8 << 20, { writable: true });
      const view = new Uint8Array(mapping.buffer);
      const part = view.subarray(4096, 8192);
      view[0] = 1; part[0] = 1;
      mapping.close();
      sum += (view[0] ?? 0) + (part[0] ?? 0);
      view[1] = 3;
      return part;
    }
    const kept = round();
    const inUse = () => readFileSync("/proc/self/maps", "utf8").match(/bpf-map/g)?.length ?? 0;
    const collect = async () => {
      gc();
      await new Promise((resolve) => setTimeout(resolve, 10));
    };
    // What the collector's own threads take belongs to the start.
    for (let i = 0; i < 5; i++) await collect();
    const before = size();
    for (let i = 0; i < 200; i++) round();
    for (let i = 0; i < 1000 && (i < 5 || inUse() > 0); i++) await collect();
    sum += kept[0] ?? 0;
    kept[0] = 9;
    console.log(JSON.stringify({ sum, inUse: inUse(), grownMiB: (size() - before) / 1024 }));
    map.close();
  `,
      { flags: ["--expose-gc"] },
    );
    assert.is(result.status, 0, `${result.signal} ${result.stderr}`);
    const { sum, inUse, grownMiB } = JSON.parse(result.stdout);
    assert.equal([sum, inUse], [0, 0]);
    // 200 mappings are 1600 MiB.
    assert.ok(grownMiB < 200, `${grownMiB} MiB more`);
  },
);

test.run();
