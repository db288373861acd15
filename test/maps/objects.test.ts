/**
 * Maps of other objects of the kernel: maps, programs, perf events, cgroups, and what belongs to
 * tasks, files and cgroups.
 */

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type AttachedStorageMap,
  type CgroupArray,
  createMap,
  type HashMap,
  type InstructionArray,
  type MapOfMaps,
  type PerfEventArray,
  type ProgramArray,
  type StackTraceMap,
  type StorageMap,
} from "../../maps/index.ts";
import { buildIdFrames } from "../../maps/stack-trace.ts";
import { alu, call, exit, loadMap } from "../../src/asm/index.ts";
import { hostLittleEndian } from "../../src/bytes.ts";
import type { BpfError } from "../../src/error.ts";
import { programAttach, programDetach, programTestRun } from "../../src/sys/bpf.ts";
import { openDirectory } from "../../src/sys/file.ts";
import { cgroup2 } from "../../src/sys/paths.ts";
import { perfEventOpen } from "../../src/sys/perf.ts";
import { AttachType, MapFlags, MapType, ProgramType } from "../../src/uapi.ts";
import { isA } from "../helper/errors.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { obstacleToInodeStorage } from "./inode-storage.ts";
import { smallProgram } from "./small-program.ts";
import { mapSpec, u64 } from "./specs.ts";
import { testTypes } from "./types-builder.ts";

const test = suite("maps/objects");
const types = testTypes();
const RETURN = [alu("r0", "=", 0), exit()];

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return (error as BpfError).code ?? (error as Error).name;
  }
}

kernelTest(test, "an inner map is got as a handle of its own, which keeps nothing open", () =>
  assertNothingLeft(() => {
    const { btf, u32: keyType, u64: valueType } = types;
    const inner = mapSpec({ btf, keyType, valueType });
    for (const type of [MapType.ARRAY_OF_MAPS, MapType.HASH_OF_MAPS]) {
      using outer = createMap(
        mapSpec({ name: "outer", type, valueSize: 4, btf, keyType, inner }),
      ) as MapOfMaps<number>;
      using map = createMap(inner) as HashMap<number, bigint>;
      outer.set(1, map);
      outer.set(2, map);
      map.set(5, 6n);
      {
        using found = outer.get(1) as HashMap<number, bigint>;
        assert.is(found.id, map.id);
        assert.is(found.get(5), 6n, "typed by the template");
        found.set(5, 7n);
      }
      assert.is(map.get(5), 7n);
      assert.is(outer.get(3), undefined);
      assert.equal([...outer.keys()].sort(), [1, 2]);
      outer.clear();
      assert.is(outer.get(1), undefined);
      assert.not.ok(outer.has(2));
    }
  }),
);

kernelTest(test, "a program array of 300 with one program in many places", () => {
  using array = createMap(
    mapSpec({ name: "jumps", type: MapType.PROG_ARRAY, valueSize: 4, maxEntries: 300 }),
  ) as ProgramArray;
  using program = smallProgram(ProgramType.RAW_TRACEPOINT, RETURN);
  for (let index = 0; index < 300; index += 3) array.set(index, program);
  assert.is([...array.keys()].length, 100);
  assert.ok(array.delete(3));
  assert.not.ok(array.delete(4));
  array.clear();
  assert.equal([...array], []);
  assert.is(
    codeOf(() => array.set(300, program)),
    "E2BIG",
  );
});

kernelTest(test, "perf events go in by descriptor", () => {
  using array = createMap(
    mapSpec({ name: "events", type: MapType.PERF_EVENT_ARRAY, maxEntries: 0 }),
  ) as PerfEventArray;
  // PERF_TYPE_SOFTWARE, PERF_COUNT_SW_BPF_OUTPUT
  using event = perfEventOpen({ type: 1, config: 10 }, -1, 0);
  array.set(0, event);
  array.set(0, { fd: event.number });
  assert.ok(array.delete(0));
  assert.not.ok(array.delete(0));
  using other = openDirectory("/");
  assert.throws(() => array.set(0, other), /update an element|perf event/);
  assert.throws(() => array.set(array.maxEntries, event), /events: index \d+ of an array of/);
});

kernelTest(
  test,
  "cgroups go in by path and by descriptor",
  { needs: "cgroup arrays", config: "CONFIG_CGROUPS" },
  () =>
    assertNothingLeft(() => {
      using array = createMap(
        mapSpec({ type: MapType.CGROUP_ARRAY, valueSize: 4, maxEntries: 2 }),
      ) as CgroupArray;
      array.set(0, cgroup2());
      using folder = openDirectory(cgroup2());
      array.set(1, folder);
      assert.equal([array.delete(0), array.delete(0), array.delete(1)], [true, false, true]);
      assert.is(
        codeOf(() => array.set(0, join(cgroup2(), "no such group"))),
        "ENOENT",
      );
      assert.is(
        codeOf(() => array.set(0, tmpdir())),
        "EBADF",
      );
    }),
);

function storage(type: number): StorageMap<{ source: number; target: number }> {
  const { btf, flow: valueType } = types;
  const flags = MapFlags.NO_PREALLOC;
  return createMap(
    mapSpec({ name: "storage", type, flags, maxEntries: 0, btf, valueType }),
  ) as StorageMap<{ source: number; target: number }>;
}
const VALUE = { source: 1, target: 2 };

kernelTest(
  test,
  "values of tasks, by number and by descriptor",
  { needs: "task storage", since: "5.11" },
  async () => {
    using map = storage(MapType.TASK_STORAGE);
    const child = spawn("sleep", ["1000"]);
    try {
      const pid = child.pid!;
      map.set({ pid }, VALUE);
      assert.equal(map.get({ pid }), VALUE);
      assert.is(map.get({ pid: process.pid }), undefined, "each task has its own");
      assert.is(
        codeOf(() => map.set({ pid }, VALUE, { flags: "noexist" })),
        "EEXIST",
      );
      assert.is(
        codeOf(() => map.set({ pid: process.pid }, VALUE, { flags: "exist" })),
        "ENOENT",
      );
      assert.throws(() => map.get("/proc/self"), /"\/proc\/self" is a path/);
      assert.throws(() => map.get({ pid: -1 }), isA(RangeError));
      assert.throws(() => map.get({ pid: 1.5 }), isA(RangeError));
      assert.throws(() => map.set({ pid }, { source: 1 } as never), /target/);
      assert.equal(map.get({ pid }), VALUE);
    } finally {
      child.kill("SIGKILL");
      await new Promise((resolve) => child.once("exit", resolve));
    }
    assert.is(
      codeOf(() => map.get({ pid: child.pid! })),
      "ESRCH",
    );
  },
);

kernelTest(
  test,
  "values of files end with the file",
  { needs: "inode storage", config: "CONFIG_BPF_LSM", obstacle: obstacleToInodeStorage },
  () =>
    assertNothingLeft(async () => {
      using map = storage(MapType.INODE_STORAGE);
      const folder = mkdtempSync(join(tmpdir(), "ebpf-"));
      const path = join(folder, "file");
      try {
        writeFileSync(path, "");
        map.set(path, VALUE);
        assert.equal(map.get(path), VALUE);
        assert.not.ok(map.has(folder));
        const file = await open(path);
        try {
          assert.equal(map.get(file), VALUE, "by a FileHandle");
          assert.equal(map.raw.get(file.fd)?.length, 8);
        } finally {
          await file.close();
        }
        assert.throws(() => map.get({ pid: 1 }), /only values of tasks/);
        rmSync(path);
        writeFileSync(path, "");
        assert.is(map.get(path), undefined, "another file of the same name");
      } finally {
        rmSync(folder, { recursive: true });
      }
    }),
);

kernelTest(
  test,
  "values of cgroups",
  { needs: "cgroup storage of 6.2", since: "6.2", config: "CONFIG_CGROUPS" },
  () => {
    using map = storage(MapType.CGRP_STORAGE);
    map.set(cgroup2(), VALUE);
    using folder = openDirectory(cgroup2());
    assert.equal(map.get(folder), VALUE);
    assert.ok(map.delete(cgroup2()));
    assert.is(
      codeOf(() => map.get(tmpdir())),
      "EBADF",
    );
  },
);

kernelTest(
  test,
  "values that programs have at a cgroup",
  { needs: "storage of attached programs", config: "CONFIG_CGROUP_BPF" },
  () => {
    for (const type of [MapType.CGROUP_STORAGE, MapType.PERCPU_CGROUP_STORAGE]) {
      using map = createMap(
        mapSpec({ name: "attached", type, keySize: 8, maxEntries: 0 }),
      ) as AttachedStorageMap<Uint8Array, Uint8Array>;
      using program = smallProgram(
        ProgramType.CGROUP_SKB,
        [
          loadMap("r1", "attached"),
          alu("r2", "=", 0),
          call("get_local_storage"),
          alu("r0", "=", 1),
          exit(),
        ],
        [map],
        AttachType.CGROUP_INET_EGRESS,
      );
      const path = join(cgroup2(), `ebpf-test-${process.pid}`);
      mkdirSync(path);
      try {
        using target = openDirectory(path);
        const attachType = AttachType.CGROUP_INET_EGRESS;
        programAttach({ target, program: program.fd, attachType });
        try {
          const keys = [...map.keys()];
          assert.is(keys.length, 1);
          const key = new BigUint64Array(keys[0]!.slice().buffer)[0]!;
          assert.is(key & 0xffff_ffffn, BigInt(statSync(path).ino) & 0xffff_ffffn);
          const one = type === MapType.CGROUP_STORAGE;
          const value = map.get(keys[0]!) as Uint8Array | Uint8Array[];
          if (one) {
            assert.equal(value, u64(0));
            map.set(keys[0]!, u64(7));
            assert.equal(map.get(keys[0]!), u64(7));
          } else {
            assert.ok(Array.isArray(value));
          }
          assert.is(map.get(u64(1)), undefined);
        } finally {
          programDetach({ target, program: program.fd, attachType });
        }
      } finally {
        rmdirSync(path);
      }
    }
  },
);

kernelTest(test, "a stack trace is addresses, the innermost first", () => {
  using map = createMap(
    mapSpec({ name: "stacks", type: MapType.STACK_TRACE, valueSize: 8 * 127, maxEntries: 64 }),
  ) as StackTraceMap;
  using program = smallProgram(
    ProgramType.RAW_TRACEPOINT,
    [loadMap("r2", "stacks"), alu("r3", "=", 0), call("get_stackid"), exit()],
    [map],
  );
  const { returnValue: id } = programTestRun(program.fd);
  assert.ok(id < 64, `get_stackid gave ${id | 0}`);
  const frames = map.get(id)!;
  assert.ok(frames.length > 2 && frames.length <= 127, `${frames.length} frames`);
  for (const frame of frames) assert.ok(frame > 1n << 48n, "an address of the kernel");
  assert.ok(map.has(id));
  assert.equal([...map.keys()], [id]);
  assert.equal([...map.entries()], [[id, frames]]);
  assert.not.ok(map.hasBuildIds);
  assert.throws(() => map.getBuildIds(id), /stacks: its frames are addresses, which get reads/);
  assert.ok(map.delete(id));
  assert.not.ok(map.delete(id));
  assert.is(map.get(id), undefined);
  programTestRun(program.fd);
  map.clear();
  assert.equal([...map.keys()], []);
});

kernelTest(test, "a map of build ids says so", () => {
  const flags = MapFlags.STACK_BUILD_ID;
  using map = createMap(
    mapSpec({ type: MapType.STACK_TRACE, valueSize: 64, flags }),
  ) as StackTraceMap;
  assert.ok(map.hasBuildIds);
  assert.is(map.getBuildIds(0), undefined);
  assert.throws(() => map.get(0), /getBuildIds reads/);
});

test("frames of build ids end at the first empty one", () => {
  const bytes = new Uint8Array(4 * 32);
  const view = new DataView(bytes.buffer);
  const record = (at: number, status: number, place: bigint) => {
    view.setInt32(at, status, hostLittleEndian);
    bytes.fill(at + 1, at + 4, at + 24);
    view.setBigUint64(at + 24, place, hostLittleEndian);
  };
  record(0, 1, 0x1234n);
  record(32, 2, 0x7fff_0000_1000n);
  assert.equal(buildIdFrames(bytes), [
    { buildId: new Uint8Array(20).fill(1), offset: 0x1234n },
    { address: 0x7fff_0000_1000n },
  ]);
});

kernelTest(
  test,
  "an instruction array follows a program's instructions",
  { needs: "instruction arrays", since: "6.19" },
  () => {
    using map = createMap(
      mapSpec({ name: "places", type: MapType.INSN_ARRAY, valueSize: 16, maxEntries: 2 }),
    ) as InstructionArray;
    map.set(0, { original: 0 });
    map.set(1, { original: 1 });
    assert.is(map.get(1)?.original, 1);
    assert.equal([...map.keys()], [0, 1]);
    assert.throws(() => map.set(0, { original: -1 }), /original: -1/);
    assert.is(map.size, 2);
  },
);

kernelTest(test, "a descriptor is asked for where one is needed", () => {
  using array = createMap(mapSpec({ type: MapType.CGROUP_ARRAY, valueSize: 4 })) as CgroupArray;
  for (const wrong of [-1, 1.5, Number.NaN, null, {}, { fd: "3" }]) {
    assert.throws(() => array.set(0, wrong as never), /is no descriptor; pass its number/);
  }
  const closed = openDirectory("/");
  closed.close();
  assert.is(
    codeOf(() => array.set(0, closed)),
    "ERR_CLOSED",
  );
});

test.run();
