import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { viewOf } from "../../src/bytes.ts";
import { SyscallError } from "../../src/error.ts";
import { mapCreate } from "../../src/sys/bpf.ts";
import { readInto } from "../../src/sys/file.ts";
import { MapAccess } from "../../src/sys/map-access.ts";
import { tracefs } from "../../src/sys/paths.ts";
import {
  PerfSoftware,
  PerfType,
  perfDisable,
  perfEnable,
  perfEventOpen,
  perfPauseOutput,
  perfReset,
  perfSetBpf,
} from "../../src/sys/perf.ts";
import { MapType, ProgramType } from "../../src/uapi.ts";
import { kernelTest } from "../helper/kernel.ts";
import { counting, load } from "./programs.ts";

const test = suite("sys/perf");

kernelTest(test, "a counter counts while it is enabled", () => {
  const event = perfEventOpen(
    { type: PerfType.SOFTWARE, config: PerfSoftware.TASK_CLOCK, bits: ["disabled"] },
    0,
    -1,
  );
  const bytes = new Uint8Array(8);
  const count = () => {
    readInto(event, bytes);
    return viewOf(bytes).getBigUint64(0, true);
  };
  assert.is(count(), 0n);
  perfEnable(event);
  for (let index = 0; index < 1e5; index++) bytes[7] = 0;
  perfDisable(event);
  const counted = count();
  assert.ok(counted > 0n);
  assert.is(count(), counted);
  perfReset(event);
  assert.is(count(), 0n);
  event.close();
  assert.throws(() => perfEnable(event), /it was closed/);
});

kernelTest(test, "a tracepoint runs a program until it is closed", () => {
  const id = Number(readFileSync(`${tracefs()}/events/raw_syscalls/sys_enter/id`, "utf8"));
  const map = mapCreate(
    { type: MapType.ARRAY, keySize: 4, valueSize: 8, maxEntries: 1 },
    "map counter",
  );
  const access = new MapAccess(map, 4, 8);
  const count = () => {
    access.lookup();
    return viewOf(access.value).getUint32(0, true);
  };
  const program = load(counting(map), { type: ProgramType.TRACEPOINT });
  const event = perfEventOpen({ type: PerfType.TRACEPOINT, config: id }, -1, 0);
  perfSetBpf(event, program);
  perfEnable(event);
  const before = count();
  for (let index = 0; index < 50; index++) count();
  assert.ok(count() - before >= 50);
  event.close();
  const after = count();
  assert.is(count(), after);
  program.close();
  map.close();
});

const UPROBES = { needs: "uprobe events", config: "CONFIG_UPROBE_EVENTS" };
kernelTest(
  test,
  "text is passed where the event wants it: a missing file is ENOENT",
  UPROBES,
  () => {
    const type = "/sys/bus/event_source/devices/uprobe/type";
    const open = (config1: string) =>
      perfEventOpen(
        { type: Number(readFileSync(type, "utf8")), config1, config2: 0n },
        -1,
        0,
        undefined,
        0,
        `uprobe ${config1}`,
      );
    assert.throws(
      () => open("/nonexistent"),
      (error: unknown) =>
        error instanceof SyscallError &&
        error.syscall === "perf_event_open" &&
        error.message.startsWith("open uprobe /nonexistent: ENOENT"),
    );
  },
);

kernelTest(test, "output events take their settings and pause", () => {
  const event = perfEventOpen(
    {
      type: PerfType.SOFTWARE,
      config: PerfSoftware.BPF_OUTPUT,
      sampleType: 0x400,
      samplePeriod: 1,
      wakeupWatermark: 4096,
      bits: ["write_backward"],
    },
    -1,
    0,
  );
  // Nothing is mapped yet that could be paused.
  assert.throws(() => perfPauseOutput(event, true), /pause output of perf event: EINVAL/);
  event.close();
  assert.throws(
    () => perfEventOpen({ type: PerfType.SOFTWARE, sampleFrequency: 1e9 }, -1, 0),
    (error: unknown) => error instanceof SyscallError && error.code === "EINVAL",
    "a frequency above the limit shows that freq was set",
  );
});

test.run();
