import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { variants } from "../../maps/create.ts";
import {
  ArrayMap,
  createMap,
  GenericMap,
  HashMap,
  handleOf,
  handleOfExisting,
  type MapInit,
  PerfEventArray,
  RingBuffer,
} from "../../maps/index.ts";
import { type BpfError, MapSpecError, SyscallError, UnsupportedError } from "../../src/error.ts";
import { mapGetFdById, objectGet } from "../../src/sys/bpf.ts";
import { possibleCpus } from "../../src/sys/kernel.ts";
import { MapFlags, MapType } from "../../src/uapi.ts";
import { kernelTest } from "../helper/kernel.ts";
import { mapSpec, u32, u64 } from "./specs.ts";
import { loadTypes, testTypes } from "./types-builder.ts";

const test = suite("maps/create");

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return (error as BpfError).code;
  }
}

kernelTest(test, "the kernel has what the spec says", () => {
  using map = createMap(mapSpec({ name: "a-map.with_a_long_name", maxEntries: 100 }));
  const { id, type, keySize, valueSize, maxEntries, flags, name } = map.info();
  assert.equal(
    { type, keySize, valueSize, maxEntries, flags, name },
    {
      type: MapType.HASH,
      keySize: 4,
      valueSize: 8,
      maxEntries: 100,
      flags: 0,
      name: "amap.with_a_lon",
    },
  );
  assert.is(map.id, id);
  assert.ok(id > 0);
  assert.is(map.name, "a-map.with_a_long_name");
});

kernelTest(test, "types reach the kernel where the map type takes them", () => {
  const types = testTypes();
  using btf = loadTypes(types);
  const typed = { btf: types.btf, keyType: types.u32, valueType: types.u64 };
  using hash = createMap(mapSpec(typed), { btf });
  const info = hash.info();
  assert.equal([info.keyType, info.valueType], [types.u32, types.u64]);
  assert.ok(info.btfId > 0);
  using queue = createMap(mapSpec({ ...typed, type: MapType.QUEUE, keySize: 0 }), { btf });
  assert.is(queue.info().btfId, 0);
  using ring = createMap(
    mapSpec({ ...typed, type: MapType.RINGBUF, valueSize: 8, maxEntries: 4096 }),
    { btf },
  );
  assert.is(ring.info().valueSize, 0);
});

kernelTest(test, "types that the kernel refuses for the map are left out", () => {
  const types = testTypes();
  using btf = loadTypes(types);
  // The key type has 4 bytes and the key 8.
  using map = createMap(
    mapSpec({ btf: types.btf, keySize: 8, keyType: types.u32, valueType: types.u64 }),
    { btf },
  ) as HashMap<Uint8Array, bigint>;
  assert.is(map.info().keyType, 0);
  map.set(u64(5), 6n);
  assert.is(map.get(u64(5)), 6n);
});

kernelTest(test, "every type gives its handle", () => {
  const cpus = possibleCpus();
  using perf = createMap(mapSpec({ type: MapType.PERF_EVENT_ARRAY, valueSize: 24, maxEntries: 0 }));
  assert.instance(perf, PerfEventArray);
  assert.equal([perf.keySize, perf.valueSize, perf.maxEntries], [4, 4, cpus]);
  using array = createMap(mapSpec({ type: MapType.ARRAY }));
  assert.instance(array, ArrayMap);
  using ring = createMap(mapSpec({ type: MapType.RINGBUF, maxEntries: 4096 }));
  assert.instance(ring, RingBuffer);
  using hash = createMap(mapSpec());
  assert.instance(hash, HashMap);
  assert.not.instance(hash, GenericMap);
});

test("names are tried with dots, without, and not at all; then with less of a data section", () => {
  const definition = { kernelName: "a.rodata", flags: 0, keyType: 0, valueType: 0 };
  const names = (kernelName: string) =>
    [...variants({ data: undefined }, { ...definition, kernelName }, {})].map(({ name }) => name);
  // Linux 5.2 takes dots, 4.15 names.
  assert.equal(names("a.rodata"), ["a.rodata", "arodata", ""]);
  assert.equal(names("events"), ["events", ""]);
  assert.equal(names(""), [""]);
  const { MMAPABLE, RDONLY_PROG } = MapFlags;
  const section = { ...definition, kernelName: "", flags: MMAPABLE | RDONLY_PROG };
  const flags = [...variants({ data: new Uint8Array(1) }, section, {})].map((each) => each.flags);
  assert.equal(flags, [MMAPABLE | RDONLY_PROG, RDONLY_PROG, 0]);
});

kernelTest(test, "types that are not known yet are bytes", () => {
  using map = createMap(mapSpec());
  using unknown = handleOf(map.fd.duplicate(), { ...map.info(), type: 1000 }, undefined);
  assert.instance(unknown, GenericMap);
  (unknown as GenericMap).set(u32(1), u64(2));
  assert.equal((map as HashMap).get(u32(1)), u64(2));
});

kernelTest(test, "what is wrong with a map is told with its name", () => {
  const refused = (members: Parameters<typeof mapSpec>[0], message: RegExp, code: string) =>
    assert.throws(
      () => createMap(mapSpec({ name: "wrong", ...members })),
      (error: unknown) =>
        error instanceof SyscallError && error.code === code && message.test(error.message),
    );
  refused({ maxEntries: 0 }, /create map wrong .*max_entries is 0; .*maxEntries/, "EINVAL");
  refused({ type: MapType.LPM_TRIE, keySize: 8 }, /NO_PREALLOC/, "EINVAL");
  refused({ valueSize: 0x1000_0000 }, /larger than this map type allows/, "E2BIG");
  const impossible = (init: Partial<MapInit>, map: string, field: string) =>
    assert.throws(
      () => createMap({ type: MapType.HASH, name: "wrong", ...init }),
      (error: unknown) =>
        error instanceof MapSpecError && error.map === map && error.field === field,
    );
  impossible({ type: MapType.RINGBUF }, "wrong", "maxEntries");
  impossible({ type: MapType.USER_RINGBUF, maxEntries: 5000 }, "wrong", "maxEntries");
  impossible({ type: MapType.HASH_OF_MAPS }, "wrong", "inner");
  const outer = { type: MapType.ARRAY_OF_MAPS, maxEntries: 1 };
  impossible({ ...outer, inner: outer }, "wrong", "inner");
  impossible({ ...outer, inner: { type: MapType.HASH, keySize: -1 } }, "wrong.inner", "keySize");
  const misused = (init: unknown, options: unknown, message: RegExp) =>
    assert.throws(
      () => createMap(init as MapInit, options as object),
      (error: unknown) => error instanceof TypeError && message.test(error.message),
    );
  for (const nothing of [undefined, null, "hash", 1]) misused(nothing, {}, /^create a map: what/);
  for (const nothing of [null, "btf", 1]) misused(mapSpec(), nothing, /^create a map: options is/);
  misused({ ...outer, name: "outer", inner: null }, {}, /^create map outer: inner is null/);
  for (const name of ["btf", "token", "valueTypeBtf"]) {
    misused(mapSpec(), { [name]: 5 }, new RegExp(`${name} is number, not a FileDescriptor`));
  }
  misused(mapSpec(), { int64: "text" }, /int64 is "text", not "bigint" or "number"/);
  // @ts-expect-error there is no such option
  assert.throws(() => createMap(mapSpec(), { int46: "number" }), /unknown option "int46"/);
});

kernelTest(test, "a type that the kernel does not have yet is unsupported", () => {
  try {
    createMap(mapSpec({ type: MapType.RHASH, flags: MapFlags.NO_PREALLOC })).close();
  } catch (error) {
    assert.instance(error, UnsupportedError);
    assert.is((error as UnsupportedError).since, "7.2");
    assert.instance((error as UnsupportedError).cause, SyscallError);
  }
});

kernelTest(
  test,
  "flags that a type needs are named",
  { needs: "flags of map type rhash", since: "7.2" },
  () => {
    assert.throws(
      () => createMap(mapSpec({ name: "wrong", type: MapType.RHASH })),
      /create map wrong .*a rhash map needs map_flags BPF_F_NO_PREALLOC/,
    );
    assert.throws(
      () => createMap(mapSpec({ name: "wrong", type: MapType.INSN_ARRAY })),
      /create map wrong .*16 bytes, not 8/,
    );
    assert.throws(
      () => createMap(mapSpec({ name: "wrong", type: MapType.ARENA, keySize: 0, valueSize: 0 })),
      /create map wrong .*BPF_F_MMAPABLE/,
    );
  },
);

kernelTest(test, "a map found by its id has a handle of its type, on bytes", () => {
  using map = createMap(mapSpec({ name: "found", type: MapType.ARRAY, maxEntries: 3 }));
  using again = handleOfExisting(mapGetFdById(map.id), undefined, undefined);
  assert.instance(again, ArrayMap);
  assert.equal([again.name, again.maxEntries, again.id], ["found", 3, map.id]);
  (again as ArrayMap).set(2, u64(1));
  assert.equal((map as ArrayMap).get(2), u64(1));
});

kernelTest(test, "a pin keeps the map until it is removed", () => {
  if (!existsSync("/sys/fs/bpf"))
    throw new UnsupportedError("no /sys/fs/bpf", { feature: "bpffs" });
  const path = `/sys/fs/bpf/ebpf_test_${process.pid}`;
  const map = createMap(mapSpec({ name: "pinned" })) as HashMap<Uint8Array, Uint8Array>;
  const folder = mkdtempSync(join(tmpdir(), "ebpf-"));
  try {
    assert.throws(
      () => map.pin(join(folder, "map")),
      (error: unknown) =>
        (error as BpfError).code === "ERR_NOT_BPFFS" && /BPF file system/.test(String(error)),
    );
    assert.is(map.pinnedPath, undefined);
    map.unpin();
    map.pin(path);
    assert.is(map.pinnedPath, path);
    using other = createMap(mapSpec({ name: "other" }));
    assert.is(
      codeOf(() => other.pin(path)),
      "EEXIST",
    );
    map.set(u32(1), u64(2));
    using again = handleOfExisting(objectGet(path), undefined, undefined) as HashMap;
    assert.equal(again.get(u32(1)), u64(2));
    map.unpin();
    assert.not.ok(existsSync(path));
  } finally {
    map.unpin();
    map.close();
    rmSync(folder, { recursive: true });
  }
});

test.run();
