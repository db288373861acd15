import { readFileSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { perfEvent } from "../../links/sampling.ts";
import { onlineCpus, possibleCpuList } from "../../src/sys/kernel.ts";
import { cgroup2 } from "../../src/sys/paths.ts";
import { ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { isOlderThan, kernelTest } from "../helper/kernel.ts";
import { SLOWNESS } from "../helper/slowness.ts";
import { inOwnCgroup } from "./cgroups.ts";
import { Counter, keepContext, keepCookie } from "./counter.ts";
import { hasCode, isA } from "./errors.ts";

const test = suite("links/sampling");
const type = ProgramType.PERF_EVENT;
/** `sample_period` of `struct bpf_perf_event_data`, behind the registers. */
const PERIOD = process.arch === "x64" ? 168 : 272;

/** Uses the CPU until it `holds`, or for so many milliseconds of the clock. */
function busyUntil(holds: () => boolean, milliseconds = 30_000 * SLOWNESS): boolean {
  const end = performance.now() + milliseconds;
  while (!holds() && performance.now() < end);
  return holds();
}

kernelTest(test, "the CPU's clock, on every CPU, until it is closed", async () => {
  await assertNothingLeft(async () => {
    using counter = new Counter({ type, pid: process.pid, before: keepContext(PERIOD) });
    const link = perfEvent(counter.program, { period: 1_000_000 });
    assert.is(link.event, "cpu-clock");
    assert.is(link.links.length, onlineCpus().length);
    assert.is(link.description, "count to cpu-clock");
    assert.ok(busyUntil(() => counter.count >= 3));
    assert.ok(counter.kept >= 1_000_000n, `${counter.kept}`);
    await link.closeAsync();
    assert.ok(link.closed);
    const last = counter.count;
    busyUntil(() => false, 50);
    assert.is(counter.count, last);
  });
});

kernelTest(test, "a frequency, of one process", () => {
  using counter = new Counter({ type });
  using link = perfEvent(counter.program, {
    frequency: 997,
    pid: process.pid,
    event: "task-clock",
  });
  assert.is(link.links.length, 1);
  assert.ok(busyUntil(() => counter.count > 0));
});

const COOKIES = { needs: "cookies of perf events", since: "5.15" };
kernelTest(test, "a cookie, and other counters of the kernel", COOKIES, () => {
  using counter = new Counter({ type, before: keepCookie });
  const options = { event: "page-faults", period: 1, pid: process.pid, cookie: 5n } as const;
  using link = perfEvent(counter.program, options);
  assert.ok(
    busyUntil(() => {
      new Uint8Array(1 << 20).fill(1);
      return counter.count > 0;
    }),
  );
  assert.is(counter.kept, 5n);
  assert.is(link.event, "page-faults");
  if (isOlderThan("6.6")) return;
  assert.equal(link.info().details, { kind: "perf_event", eventType: 1, config: 2n, cookie: 5n });
});

kernelTest(test, "cycles, or the clock where the CPU counts none", () => {
  using counter = new Counter({ type, pid: process.pid });
  using link = perfEvent(counter.program, { event: "cycles", frequency: 997 });
  assert.ok(["cycles", "cpu-clock"].includes(link.event));
  assert.ok(busyUntil(() => counter.count > 0));
  if (link.event === "cycles") return;
  const event = { event: "cycles", fallback: false } as const;
  assert.throws(
    () => perfEvent(counter.program, event),
    /the (machine has no such|CPU cannot interrupt)/,
  );
});

kernelTest(
  test,
  "processes of a cgroup",
  { needs: "perf events of cgroups", config: "CONFIG_CGROUP_PERF" },
  async () => {
    // A kernel lets cgroups below the first one have perf events from when any controller was given to them.
    const root = cgroup2();
    if (readFileSync(`${root}/cgroup.controllers`, "utf8").includes("pids")) {
      writeFileSync(`${root}/cgroup.subtree_control`, "+pids");
    }
    await inOwnCgroup((cgroup) => {
      using counter = new Counter({ type });
      using _link = perfEvent(counter.program, { cgroup, frequency: 997 });
      assert.ok(busyUntil(() => counter.count > 0));
    });
  },
);

kernelTest(test, "misuse is named", async () => {
  await assertNothingLeft(() => {
    using counter = new Counter({ type });
    const { program } = counter;
    assert.throws(() => perfEvent(program, { event: "cycle" as "cycles" }), /there are cycles/);
    assert.throws(() => perfEvent(program, { frequency: 1, period: 1 }), isA(TypeError));
    for (const frequency of [0, 1.5, -1]) {
      assert.throws(() => perfEvent(program, { frequency }), isA(RangeError));
    }
    assert.throws(() => perfEvent(program, { period: 0 }), isA(RangeError));
    // Those that the machine could have are refused in another way than those that it could not.
    const online = onlineCpus();
    const others = possibleCpuList().filter((cpu) => !online.includes(cpu));
    for (const cpu of [...others, 60_000]) {
      const cpus = [...online, cpu];
      assert.throws(() => perfEvent(program, { cpus }), new RegExp(`CPU ${cpu} is not online`));
    }
    assert.throws(() => perfEvent(program, { cpus: [] }), isA(RangeError));
    for (const cpu of [-1, 1.5, "0", 2 ** 31] as number[]) {
      assert.throws(() => perfEvent(program, { cpus: [cpu] }), isA(RangeError));
    }
    assert.throws(() => perfEvent(program, { cpus: [0, 0] }), /twice/);
    const misspelt = { typ: 1, config: 0 } as unknown as { type: number; config: number };
    assert.throws(() => perfEvent(program, { event: misspelt }), /unknown option "typ"/);
    for (const event of [{ type: 1 }, { config: 0 }, { type: -1, config: 0 }]) {
      const wrong = event as { type: number; config: number };
      assert.throws(() => perfEvent(program, { event: wrong }), isA(RangeError));
    }
    assert.throws(() => perfEvent(program, { pid: 0x7fff_fffe }), hasCode("ESRCH"));
    assert.throws(
      () => perfEvent(program, { event: { type: 1, config: 4711 } }),
      hasCode("ENOENT"),
    );
  });
});

test.run();
