import { existsSync, rmSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cstring, viewOf } from "../../src/bytes.ts";
import { BtfError, SyscallError } from "../../src/error.ts";
import {
  btfGetFdById,
  btfGetNextId,
  btfLoad,
  enableStats,
  linkGetFdById,
  linkGetNextId,
  mapCreate,
  mapFreeze,
  mapGetFdById,
  mapGetNextId,
  objectGet,
  objectInfo,
  objectPin,
  programBindMap,
  programGetFdById,
  programGetNextId,
  programLoad,
  programLoadAsync,
  programStreamRead,
  programTestRun,
  rawTracepointOpen,
} from "../../src/sys/bpf.ts";
import type { FileDescriptor } from "../../src/sys/fd.ts";
import { MapAccess } from "../../src/sys/map-access.ts";
import { bpffs } from "../../src/sys/paths.ts";
import { MapFlags, MapType, ProgramType } from "../../src/uapi.ts";
import { isA } from "../helper/errors.ts";
import { kernelTest } from "../helper/kernel.ts";
import { codeOf, counter, counting, idOf, load, REFUSED, returning } from "./programs.ts";

const test = suite("sys/bpf");

kernelTest(test, "a map is what was asked for, by its own account", () => {
  const map = mapCreate(
    {
      type: MapType.HASH,
      keySize: 5,
      valueSize: 12,
      maxEntries: 33,
      flags: MapFlags.NO_PREALLOC,
      name: "a_name_that_is_too_long",
    },
    "map test",
  );
  const info = new Uint8Array(80);
  assert.ok(objectInfo(map, info) >= 80);
  const view = viewOf(info);
  const words = [0, 8, 12, 16, 20].map((at) => view.getUint32(at, true));
  assert.equal(words, [MapType.HASH, 5, 12, 33, MapFlags.NO_PREALLOC]);
  assert.is(cstring(info, 24, 40), "a_name_that_is_");
  map.close();
});

kernelTest(test, "a refused map names command and object", () => {
  let caught: unknown;
  try {
    mapCreate({ type: MapType.HASH, keySize: 0, valueSize: 4, maxEntries: 1 }, "map nothing");
  } catch (error) {
    caught = error;
  }
  assert.instance(caught, SyscallError);
  const { code, errno, syscall, command, message } = caught as SyscallError;
  assert.equal([code, errno, syscall, command], ["EINVAL", 22, "bpf", "MAP_CREATE"]);
  assert.is(message, "create map nothing: EINVAL, invalid argument");
});

kernelTest(test, "a frozen map takes no more writes from here", () => {
  const { map } = counter();
  mapFreeze(map);
  assert.is(
    codeOf(() => new MapAccess(map, 4, 8).update()),
    "EPERM",
  );
  map.close();
});

kernelTest(test, "a program loads, runs, and tells what it is", () => {
  const program = load(returning(42));
  const run = programTestRun(program, { data: new Uint8Array(20), dataOutSize: 64, repeat: 3 });
  assert.is(run.returnValue, 42);
  assert.is(run.data.length, 20);
  const instructions = new Uint8Array(16);
  const info = new Uint8Array(224);
  viewOf(info).setUint32(20, instructions.length, true);
  // xlated_prog_insns of struct bpf_prog_info.
  objectInfo(program, info, { 32: instructions });
  assert.is(viewOf(info).getUint32(0, true), ProgramType.SOCKET_FILTER);
  assert.is(viewOf(info).getBigUint64(32, true), 0n, "no address leaves");
  assert.is(instructions[0], 0xb7);
  assert.is(instructions[4], 42);
  program.close();
});

kernelTest(test, "a refused program is a result, with log and errno", () => {
  const attributes = {
    type: ProgramType.SOCKET_FILTER,
    license: "GPL",
    instructions: REFUSED,
  };
  const silent = programLoad(attributes);
  assert.equal([silent.fd, silent.errno, silent.log], [undefined, 13, ""]);
  const verbose = programLoad(attributes, { level: 1, size: 4096 });
  assert.is(verbose.errno, 13);
  assert.match(verbose.log, "R0 !read_ok");
  // Linux 6.4 says how large a log should have been.
  const short = programLoad(attributes, { level: 1, size: 128 });
  assert.ok(short.log.length < 128);
  if (short.logTrueSize !== 0) assert.is(short.logTrueSize, verbose.log.length + 1);
  const good = programLoad(
    { ...attributes, instructions: returning(0) },
    { level: 2, size: 65_536 },
  );
  assert.is(good.errno, 0);
  assert.match(good.log, "processed 2 insns");
  good.fd?.close();
});

kernelTest(test, "bytes that are no whole instructions or records are refused", () => {
  const attributes = { type: 1, license: "GPL", instructions: returning(0) };
  assert.throws(
    () => programLoad({ ...attributes, instructions: new Uint8Array(9) }),
    isA(RangeError),
  );
  assert.throws(
    () => programLoad({ ...attributes, lineInfo: new Uint8Array(17) }),
    isA(RangeError),
  );
});

kernelTest(
  test,
  "an asynchronous load takes its buffers and descriptors as they are now",
  async () => {
    const { map, count } = counter();
    const instructions = counting(map);
    const loading = programLoadAsync(
      {
        type: ProgramType.SOCKET_FILTER,
        license: "GPL",
        instructions,
        uses: [map],
        name: "later",
      },
      { level: 1, size: 65_536 },
    );
    instructions.fill(0);
    const copy = map.duplicate();
    map.close();
    const { fd, log } = await loading;
    assert.ok(fd, log);
    programTestRun(fd as FileDescriptor, { data: new Uint8Array(20), repeat: 5 });
    const access = new MapAccess(copy, 4, 8);
    assert.ok(access.lookup());
    assert.is(access.value[0], 5);
    assert.throws(count, /closed/);
    const refused = await programLoadAsync({ type: 1, license: "GPL", instructions: REFUSED });
    assert.is(refused.errno, 13);
    fd?.close();
    copy.close();
  },
);

kernelTest(test, "many loads at once, good and bad, each with its own outcome", async () => {
  const results = await Promise.all(
    Array.from({ length: 400 }, (_, index) =>
      programLoadAsync({
        type: ProgramType.SOCKET_FILTER,
        license: "GPL",
        instructions: index % 2 === 0 ? returning(index) : REFUSED,
      }),
    ),
  );
  assert.ok(results.every(({ errno }, index) => errno === (index % 2 === 0 ? 0 : 13)));
  await Promise.all(results.map(({ fd }) => fd?.closeAsync()));
});

kernelTest(test, "objects are found by their ids", () => {
  const { map } = counter();
  const program = load(counting(map));
  const traced = load(returning(0), { type: ProgramType.RAW_TRACEPOINT });
  const link = rawTracepointOpen(traced, "sys_enter", undefined, "link test");
  for (const [fd, next, open] of [
    [map, mapGetNextId, mapGetFdById],
    [program, programGetNextId, programGetFdById],
    [link, linkGetNextId, linkGetFdById],
  ] as const) {
    const id = idOf(fd);
    const ids = new Set<number>();
    for (let each = next(0); each !== undefined; each = next(each)) ids.add(each);
    assert.ok(ids.has(id), fd.what);
    const again = open(id);
    assert.is(idOf(again), id);
    again.close();
    assert.is(next(0x7fff_fffe), undefined);
    assert.is(
      codeOf(() => open(0x7fff_fffe)),
      "ENOENT",
    );
  }
  for (const fd of [link, traced, program, map]) fd.close();
  const id = btfGetNextId(0);
  if (id !== undefined) btfGetFdById(id).close();
});

kernelTest(test, "pins keep an object and give it back", () => {
  const path = `${bpffs()}/ebpf_test_${process.pid}`;
  const { map } = counter();
  objectPin(map, path);
  try {
    assert.is(
      codeOf(() => objectPin(map, path)),
      "EEXIST",
    );
    const id = idOf(map);
    map.close();
    const again = objectGet(path);
    assert.is(idOf(again), id);
    again.close();
    const readOnly = objectGet(path, MapFlags.RDONLY);
    assert.is(
      codeOf(() => new MapAccess(readOnly, 4, 8).update()),
      "EPERM",
    );
    readOnly.close();
  } finally {
    if (existsSync(path)) rmSync(path);
  }
  assert.throws(() => objectGet(path), /open the pin .*: ENOENT/);
});

kernelTest(test, "statistics count while they are enabled", () => {
  const program = load(returning(0), { type: ProgramType.RAW_TRACEPOINT });
  const link = rawTracepointOpen(program, "sys_enter", undefined, "link test");
  const info = new Uint8Array(224);
  // run_cnt of struct bpf_prog_info.
  const runs = () => {
    info.fill(0);
    objectInfo(program, info);
    return viewOf(info).getBigUint64(200, true);
  };
  const statistics = enableStats();
  const before = runs();
  for (let index = 0; index < 10; index++) runs();
  assert.ok(runs() - before >= 10n);
  statistics.close();
  const after = runs();
  assert.is(runs(), after);
  link.close();
  program.close();
});

kernelTest(test, "a program holds a map that is bound to it", () => {
  const program = load(returning(0));
  const { map } = counter();
  programBindMap(program, map);
  const info = new Uint8Array(224);
  objectInfo(program, info);
  assert.is(viewOf(info).getUint32(52, true), 1, "nr_map_ids");
  map.close();
  program.close();
});

const STREAMS = { needs: "program streams", since: "6.17" };

kernelTest(test, "a program that printed nothing has nothing to read", STREAMS, () => {
  const program = load(returning(0));
  assert.is(programStreamRead(program, 1, new Uint8Array(64)), 0);
  assert.throws(
    () => programStreamRead(program, 9, new Uint8Array(64)),
    /^read stream 9 of program test: ENOENT/,
  );
  program.close();
});

kernelTest(test, "BTF loads, and a refusal brings the kernel's reasons", () => {
  // Header, one INT "int", strings.
  const blob = new Uint8Array(24 + 16 + 5);
  const view = viewOf(blob);
  view.setUint16(0, 0xeb9f, true);
  view.setUint8(2, 1);
  view.setUint32(4, 24, true);
  [0, 16, 16, 5].forEach((value, index) => {
    view.setUint32(8 + index * 4, value, true);
  });
  [1, 1 << 24, 4, 32 | (1 << 24)].forEach((value, index) => {
    view.setUint32(24 + index * 4, value, true);
  });
  blob.set(new TextEncoder().encode("\0int\0"), 40);
  btfLoad(blob, { what: "BTF test" }).fd.close();
  view.setUint32(24, 99, true);
  let caught: unknown;
  try {
    btfLoad(blob, { what: "BTF test" });
  } catch (error) {
    caught = error;
  }
  assert.instance(caught, SyscallError);
  const { message, cause, command } = caught as SyscallError;
  assert.is(command, "BTF_LOAD");
  assert.match(message, /^load BTF test \(.+\): EINVAL/);
  assert.instance(cause, BtfError);
  assert.match((cause as BtfError).message, "btf_total_size: 45");
});

test.run();
