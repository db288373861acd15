/**
 * Perf buffers of CPUs that are offline, go offline and come back. A second CPU that comes up holds up an emulated guest now and then,
 * so that the kernel matrix leaves it alone: `EBPF_HOTPLUG=1` asks for the last test (docs/testing.md).
 */

import { readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LostEvents, type PerfEventArray } from "../../maps/index.ts";
import { onlineCpus, possibleCpuList } from "../../src/sys/kernel.ts";
import { ProgramType } from "../../src/uapi.ts";
import { kernelTest, tier } from "../helper/kernel.ts";
import { createEvents, PerfProgram } from "./perf-program.ts";
import { numberOf, turn } from "./ring-program.ts";

const test = suite("maps/perf CPUs");

const last = possibleCpuList().at(-1)!;

/** A perf event array, and a program that writes to it on any CPU. */
class Stream implements Disposable {
  readonly events: PerfEventArray<Uint8Array> = createEvents();
  readonly program: PerfProgram = new PerfProgram(this.events, 16, ProgramType.RAW_TRACEPOINT);

  /** Runs the program on these CPUs, one after another. */
  write(...cpus: number[]): void {
    for (const cpu of cpus) this.program.runOn(cpu);
  }

  /** The CPUs of the records that are there, in the order in which they were written. */
  read(): number[] {
    const found: [number: bigint, cpu: number][] = [];
    this.events.consume((view, offset, _, cpu) => {
      found.push([view.getBigUint64(offset, true), cpu]);
    });
    return found.sort(([a], [b]) => Number(a - b)).map(([, cpu]) => cpu);
  }

  [Symbol.dispose](): void {
    this.program.close();
    this.events.close();
  }
}

function setOnline(isOnline: boolean): void {
  writeFileSync(`/sys/devices/system/cpu/cpu${last}/online`, isOnline ? "1" : "0");
  assert.is(onlineCpus().includes(last), isOnline);
}

/** How many perf events this process has. */
function perfEvents(): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes("perf_event");
    } catch {
      return false;
    }
  }).length;
}

kernelTest(test, "buffers are of CPUs that are online; others have none and do no harm", () => {
  const online = onlineCpus();
  assert.ok(tier !== "kernel" || !online.includes(last), "guests have a CPU that is offline");
  using stream = new Stream();
  const before = perfEvents();
  stream.events.openBuffers({ size: 4096 });
  assert.is(perfEvents() - before, 2 * online.length);
  stream.write(...online, ...online);
  assert.equal(stream.read(), [...online, ...online]);
  assert.equal([stream.program.refused, stream.events.stats().lost], [0, 0]);
});

/** Takes a CPU offline and brings it back while buffers are open. */
async function goOfflineAndBack(): Promise<void> {
  assert.ok(last > 0, "machines of the matrix have two CPUs");
  const wasOnline = onlineCpus().includes(last);
  using early = new Stream();
  using both = new Stream();
  try {
    setOnline(false);
    early.events.openBuffers({ size: 4096 });
    assert.is(perfEvents(), 2 * onlineCpus().length);
    early.write(0, 0);
    assert.equal(early.read(), [0, 0]);

    setOnline(true);
    // Refused, not lost in silence: whoever came later has no buffer.
    early.write(0, last);
    assert.equal([early.read(), early.program.refused], [[0], 1]);
    both.events.openBuffers({ size: 4096 });
    both.write(last, 0, last);
    assert.equal(both.read(), [last, 0, last]);

    // What was written before is there afterwards; who waits is woken by the other CPU.
    both.write(last, last);
    const records = both.events.records();
    const numbers: number[] = [];
    const next = async () => {
      const { value } = await records.next();
      assert.not(value instanceof LostEvents);
      numbers.push(numberOf(value));
    };
    setOnline(false);
    await next();
    await next();
    const waiting = next();
    await turn(5);
    both.write(0);
    await waiting;
    assert.equal(numbers, [3, 4, 5]);
    await records.return?.();

    // The kernel has taken the event off its CPU; a buffer that is opened anew has the CPU.
    setOnline(true);
    both.write(last, 0);
    assert.equal([both.read(), both.program.refused], [[0], 1]);
    using anew = new Stream();
    anew.events.openBuffers({ size: 4096 });
    anew.write(last, 0);
    assert.equal(anew.read(), [last, 0]);
    assert.equal(
      [early, both, anew].map(({ events }) => events.stats().lost),
      [0, 0, 0],
    );
  } finally {
    setOnline(wasOnline);
  }
}

if (process.env["EBPF_HOTPLUG"] === "1") {
  const name = "buffers outlive a CPU that goes offline, and a CPU that comes has none";
  kernelTest(
    test,
    name,
    { needs: "CPUs that go offline", config: "CONFIG_HOTPLUG_CPU" },
    goOfflineAndBack,
  );
}

test.run();
