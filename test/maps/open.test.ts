import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  ArrayMap,
  type BpfMap,
  createMap,
  HashMap,
  MapOfMaps,
  openMap,
  type RingBuffer,
} from "../../maps/index.ts";
import { openOrPin } from "../../maps/pinned.ts";
import { BpfError, IncompatibleMapError, SyscallError } from "../../src/error.ts";
import { objectPin, programLoad, rawTracepointOpen } from "../../src/sys/bpf.ts";
import { MapFlags, MapType, ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { withMount } from "../links/mounts.ts";
import { mapSpec, u32, u64 } from "./specs.ts";
import { loadTypes, testTypes } from "./types-builder.ts";

const test = suite("maps/open");

function hasCode(code: string, message = /(?:)/): (error: unknown) => boolean {
  return (error) => error instanceof BpfError && error.code === code && message.test(error.message);
}

kernelTest(test, "a pin gives the map with its class, name and types", () =>
  assertNothingLeft(() =>
    withMount("bpf", (folder) => {
      const path = join(folder, "flows");
      const types = testTypes();
      using btf = loadTypes(types);
      const { flow, u64: count } = types;
      using map = createMap(
        {
          ...mapSpec({ name: "flows_by_end", keySize: 8 }),
          ...{ keyType: flow, valueType: count },
        },
        { btf },
      ) as HashMap<Uint8Array, Uint8Array>;
      map.raw.set(u64(1n | (2n << 32n)), u64(2n ** 60n));
      map.pin(path);

      using again = openMap(path) as HashMap<{ source: number; target: number }, bigint>;
      assert.instance(again, HashMap);
      assert.equal([again.name, again.id, again.mode], ["flows_by_end", map.id, "read-write"]);
      assert.is(again.pinnedPath, path);
      assert.equal([...again], [[{ source: 1, target: 2 }, 2n ** 60n]]);
      again.set({ source: 3, target: 4 }, 5n);
      assert.equal(map.raw.get(u64(3n | (4n << 32n))), u64(5));

      using byId = openMap({ id: map.id }, { int64: "number" }) as HashMap<object, number>;
      assert.is(byId.get({ source: 3, target: 4 }), 5);
      assert.is(byId.pinnedPath, undefined);
      using bytes = openMap({ path }, { raw: true }) as HashMap<Uint8Array, Uint8Array>;
      assert.equal(bytes.get(u64(3n | (4n << 32n))), u64(5));
      again.unpin();
      assert.throws(() => openMap(path), hasCode("ENOENT"));
    }),
  ),
);

kernelTest(test, "without types in the kernel there are bytes, and other classes", () =>
  assertNothingLeft(() => {
    using array = createMap({ type: MapType.ARRAY, keySize: 4, valueSize: 8, maxEntries: 2 });
    using again = openMap({ id: array.id }) as ArrayMap<Uint8Array>;
    assert.instance(again, ArrayMap);
    assert.is(again.name, String(array.id), "a map without a name has its number");
    again.set(1, u64(9));
    assert.equal((array as ArrayMap).get(1), u64(9));
    using outer = createMap({
      type: MapType.ARRAY_OF_MAPS,
      maxEntries: 1,
      inner: { type: MapType.ARRAY, keySize: 4, valueSize: 8, maxEntries: 2 },
    });
    using outerAgain = openMap({ id: outer.id }) as MapOfMaps<number>;
    assert.instance(outerAgain, MapOfMaps);
    outerAgain.set(0, array);
    using inner = outerAgain.get(0) as BpfMap;
    assert.is(inner.id, array.id);
  }),
);

kernelTest(test, "a spec says what it must be, and what its events are", () =>
  assertNothingLeft(() => {
    const types = testTypes();
    const spec = mapSpec({
      name: "events",
      type: MapType.RINGBUF,
      keySize: 0,
      valueSize: 0,
      maxEntries: 4096,
      btf: types.btf,
      valueType: types.event,
    });
    using ring = createMap(spec);
    using again = openMap({ id: ring.id }, { spec }) as RingBuffer;
    assert.ok(again.typed);
    assert.is(again.name, "events");
    assert.throws(
      () => openMap({ id: ring.id }, { spec: { ...spec, maxEntries: 8192, flags: 1 } }),
      (error: unknown) => {
        assert.instance(error, IncompatibleMapError);
        const { code, map, differences, message } = error as IncompatibleMapError;
        assert.is(code, "ERR_MAP_INCOMPATIBLE");
        assert.is(map, "events");
        assert.equal(differences, [
          { member: "maxEntries", wanted: 8192, found: 4096 },
          { member: "flags", wanted: 1, found: 0 },
        ]);
        assert.match(message, /as map events: its max_entries is 4096, not 8192, map_flags is 0x0/);
        return true;
      },
    );
  }),
);

kernelTest(test, "a handle that only reads does not write, and one that only writes not read", () =>
  assertNothingLeft(() =>
    withMount("bpf", (folder) => {
      const path = join(folder, "counts");
      using map = createMap(
        mapSpec({ name: "counts", type: MapType.ARRAY, flags: MapFlags.MMAPABLE }),
      );
      map.pin(path);
      for (const source of [path, { id: map.id }]) {
        using reader = openMap(source, { mode: "read" }) as ArrayMap;
        using writer = openMap(source, { mode: "write" }) as ArrayMap;
        assert.equal([reader.mode, writer.mode], ["read", "write"]);
        writer.set(3, u64(4));
        assert.equal(reader.get(3), u64(4));
        assert.throws(() => reader.set(3, u64(5)), hasCode("EPERM", /reading only/));
        assert.throws(() => writer.get(3), hasCode("EPERM", /in map .+, opened for writing only/));
        assert.throws(() => [...writer], hasCode("EPERM", /opened for writing only/));
        assert.equal([reader.memory(), writer.memory()], [undefined, undefined]);
        using copy = reader.clone();
        assert.is(copy.mode, "read");
        assert.throws(() => copy.set(3, u64(5)), hasCode("EPERM"));
      }
    }),
  ),
);

kernelTest(test, "what is no map is refused, and closed", () =>
  assertNothingLeft(() =>
    withMount("bpf", (folder) => {
      const path = join(folder, "program");
      // r0 = 0; exit
      const instructions = Uint8Array.of(0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0);
      const { fd } = programLoad({ type: ProgramType.SOCKET_FILTER, license: "GPL", instructions });
      objectPin(fd!, path);
      fd!.close();
      const tracepoint = programLoad({
        type: ProgramType.RAW_TRACEPOINT,
        license: "GPL",
        instructions,
      }).fd!;
      const link = rawTracepointOpen(tracepoint, "sys_enter", undefined, "a link");
      objectPin(link, join(folder, "link"));
      link.close();
      tracepoint.close();
      for (const kind of ["program", "link"]) {
        for (const mode of ["read-write", "read", "write"] as const) {
          assert.throws(
            () => openMap(join(folder, kind), { mode }),
            hasCode(
              "ERR_NOT_A_MAP",
              new RegExp(`open the pin .*/${kind} as a map: it is a ${kind}`),
            ),
          );
        }
        const spec = mapSpec({ name: kind });
        assert.throws(
          () => openOrPin(spec, folder, {}, () => createMap(spec)),
          hasCode("ERR_NOT_A_MAP", new RegExp(`it is a ${kind}`)),
        );
      }
      const isFolder = /open the pin .*: that is a folder, which has \w+, .*: EACCES/;
      assert.throws(() => openMap(folder), hasCode("EACCES", isFolder));
      assert.throws(() => openMap(join(folder, "absent")), hasCode("ENOENT", /absent/));
      assert.throws(() => openMap("/proc/version"), hasCode("ERR_NOT_BPFFS", /mount -t bpf/));
      assert.throws(() => openMap({ id: 0xffff_ffff }), hasCode("ENOENT"));
      for (const wrong of [{ id: -1 }, { id: "1" }, { path: 1 }, 7, {}, null, undefined]) {
        assert.throws(
          () => openMap(wrong as { id: number }),
          (error: unknown) => error instanceof TypeError && /neither a path/.test(error.message),
        );
      }
      for (const wrong of ["", "a\0b", { path: "" }]) {
        assert.throws(() => openMap(wrong), /open a map: a path is needed, not "/);
      }
      assert.throws(() => openMap(path, { spec: 5 as never }), /spec is 5, not a MapSpec/);
      const wrongly = (options: object) => () => openMap(path, options);
      assert.throws(wrongly({ mode: "readonly" }), /mode is "readonly", not "read-write"/);
      assert.throws(wrongly({ modus: "read" }), /unknown option "modus"/);
    }),
  ),
);

kernelTest(test, "a map that was frozen is found frozen", () =>
  assertNothingLeft(() => {
    using map = createMap(mapSpec({ type: MapType.ARRAY, flags: MapFlags.MMAPABLE })) as ArrayMap;
    using before = map.clone();
    assert.not.ok(map.info().frozen);
    map.freeze();
    assert.ok(map.frozen && map.info().frozen);
    using again = openMap({ id: map.id }) as ArrayMap;
    assert.ok(again.frozen);
    assert.throws(() => again.set(0, u64(1)), hasCode("EPERM", /frozen/));
    assert.is(again.memory()?.readOnly, true);
    // A handle that does not know of it falls back to reading when the kernel refuses more.
    assert.not.ok(before.frozen);
    assert.is(before.memory()?.readOnly, true);
    assert.throws(
      () => again.freeze(),
      (error: unknown) => /^(EBUSY|EPERM)$/.test((error as BpfError).code),
    );
  }),
);

kernelTest(test, "info says what the kernel knows", () => {
  using map = createMap(mapSpec({ name: "known", maxEntries: 1000 })) as HashMap;
  const info = map.info();
  assert.equal(
    [info.vmlinuxValueType, info.vmlinuxBtfId, info.namespaceDevice, info.namespaceInode],
    [0, 0, 0n, 0n],
  );
  assert.is(info.frozen, false);
  // 1000 elements of 12 bytes at least, in whatever way a kernel counts.
  assert.ok(info.memory !== undefined && info.memory >= 12_000, String(info.memory));
});

kernelTest(test, "a clone is the map through a descriptor of its own", () =>
  assertNothingLeft(() => {
    const types = testTypes();
    const spec = mapSpec({ name: "original", btf: types.btf, valueType: types.u64 });
    const map = createMap(spec, { int64: "number" }) as HashMap<Uint8Array, number>;
    const copy = map.clone();
    assert.instance(copy, HashMap);
    assert.is.not(copy.fd.number, map.fd.number);
    assert.equal([copy.id, copy.name], [map.id, "original"]);
    map.set(u32(1), 7);
    map.close();
    assert.is(copy.get(u32(1)), 7);
    assert.throws(() => map.clone(), hasCode("ERR_CLOSED"));
    assert.throws(() => copy.raw.clone(), /clone the map itself/);
    using third = copy.clone();
    copy.close();
    assert.is(third.get(u32(1)), 7);
  }),
);

kernelTest(test, "a map is created of what matters of it", () =>
  assertNothingLeft(() => {
    const shape = { type: MapType.HASH, keySize: 4, valueSize: 8, maxEntries: 2 };
    using map = createMap(shape) as HashMap<Uint8Array, Uint8Array>;
    map.set(u32(1), u64(2));
    assert.equal(map.get(u32(1)), u64(2));
    assert.throws(
      () => createMap({ ...shape, keysize: 8 } as typeof shape),
      /unknown option "keysize"; did you mean "keySize"/,
    );
    assert.throws(
      () => createMap({ type: MapType.HASH }),
      (error: unknown) => {
        return error instanceof SyscallError && /max_entries is 0/.test(error.message);
      },
    );
  }),
);

test.run();
