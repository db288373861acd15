/** What a system call that fails leaves, of what is attached to events of the kernel and of programs. */

import { readFileSync } from "node:fs";
import { suite } from "uvu";
import { Kind } from "../../btf/index.ts";
import { iterator } from "../../links/iterator.ts";
import { type KernelCalls, runningKernel } from "../../links/kernel-calls.ts";
import { kprobe } from "../../links/kprobe.ts";
import { kprobeMulti } from "../../links/kprobe-multi.ts";
import { rawTracepoint } from "../../links/raw-tracepoint.ts";
import { perfEvent } from "../../links/sampling.ts";
import { tracepoint } from "../../links/tracepoint.ts";
import { tracing } from "../../links/tracing.ts";
import { uprobe } from "../../links/uprobe.ts";
import { attachUprobeMulti, uprobeMulti } from "../../links/uprobe-multi.ts";
import { attachUsdt } from "../../links/usdt.ts";
import { runningUsdtKernel } from "../../links/usdt-prepare.ts";
import { CollectionSpec } from "../../src/collection.ts";
import { mapCreate } from "../../src/sys/bpf.ts";
import { kernelBtf } from "../../src/sys/kernel-btf.ts";
import { tracefs } from "../../src/sys/paths.ts";
import { AttachType, MapType, ProgramType } from "../../src/uapi.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { hostTest, kernelTest } from "../helper/kernel.ts";
import { KPROBES } from "../helper/kprobes.ts";
import { TESTED, TRAMPOLINES } from "../helper/trampolines.ts";
import { Counter, openObjects } from "./counter.ts";
import { inOwnNetwork } from "./network.ts";
import { kernelBefore515 } from "./old-kernel.ts";
import { samplePath } from "./sample-process.ts";
import { FEW, type Made, SLOW, sweep, sweepFaults } from "./sweep.ts";
import { writeTargetProgram } from "./target-program.ts";

const test = suite("links/faults-tracing");

hostTest(test, "tracepoints", async () => {
  const make = () => new Counter({ type: ProgramType.TRACEPOINT });
  await sweep(make, (program) => tracepoint(program, "syscalls:sys_enter_kill"), {
    left: openObjects,
  });
});

hostTest(test, "raw tracepoints", async () => {
  const make = () => new Counter({ type: ProgramType.RAW_TRACEPOINT });
  await sweep(make, (program) => rawTracepoint(program, "sched_process_exec"), {
    left: openObjects,
  });
});

hostTest(test, "an object whose second program cannot be attached keeps none", async () => {
  using bpf = CollectionSpec.fromFile(fixturePath("raw-tracepoint.el.o")).loadSync();
  await sweepFaults(
    () => bpf.attach(),
    () => {},
    { left: openObjects },
  );
});

// Older kernels attach such a program once.
const AGAIN = { ...TRAMPOLINES, since: process.arch === "arm64" ? "6.0" : "5.13" };
kernelTest(test, "trampolines", AGAIN, async () => {
  const make = () =>
    new Counter({
      type: ProgramType.TRACING,
      attachType: AttachType.TRACE_FENTRY,
      attachTo: TESTED,
      attachBtfId: kernelBtf().find(TESTED, Kind.FUNC) ?? 0,
    });
  await sweep(make, (program) => tracing(program), { left: openObjects, ...SLOW });
});

function walker(of: string): Counter {
  return new Counter({
    type: ProgramType.TRACING,
    attachType: AttachType.TRACE_ITER,
    attachTo: of,
    attachBtfId: kernelBtf().find(`bpf_iter_${of}`, Kind.FUNC) ?? 0,
  });
}

hostTest(test, "iterators", async () => {
  const shape = { type: MapType.HASH, keySize: 4, valueSize: 4, maxEntries: 2 };
  using fd = mapCreate(shape, "map walked");
  await sweep(
    () => walker("bpf_map_elem"),
    (program) => iterator(program, { map: { fd } }),
  );
  await inOwnNetwork(async (namespace) => {
    using counter = walker("tcp");
    await sweepFaults(
      () => iterator(counter.program, { namespace }),
      (link) => link.bytes(),
    );
  });
});

hostTest(test, "counters", async () => {
  const make = () => new Counter({ type: ProgramType.PERF_EVENT });
  await sweep(make, (program) => perfEvent(program, { frequency: 1 }), { left: openObjects });
});

function probe(attachType = 0): Counter {
  return new Counter({ type: ProgramType.KPROBE, attachType });
}

/** Events of tracefs that this process made. */
function events(): string[] {
  return ["kprobe_events", "uprobe_events"].flatMap((list) => {
    try {
      const text = readFileSync(`${tracefs()}/${list}`, "utf8");
      return text.split("\n").filter((line) => line.includes(`ebpf/probe_${process.pid}_`));
    } catch {
      return [];
    }
  });
}

hostTest(test, "uprobes, by their unit", async () => {
  using target = writeTargetProgram();
  await sweep(probe, (program) => uprobe(program, target.path, { offset: target.probeMeOffset }), {
    ...SLOW,
  });
});

hostTest(test, "uprobes, by way of tracefs", async () => {
  using target = writeTargetProgram();
  const options = { offset: target.probeMeOffset, tracefs: true };
  await sweep(probe, (program) => uprobe(program, target.path, options), {
    left: events,
    ...FEW,
    closingOpens: true,
  });
});

const UPROBES = { needs: "uprobe.multi links", since: "6.6" };
/** Makes no links of many uprobes. */
const kernelBefore66: KernelCalls = {
  ...runningKernel,
  linkCreate: (attributes, what) =>
    (attributes.uprobeMulti === undefined ? runningKernel : kernelBefore515).linkCreate(
      attributes,
      what,
    ),
};

hostTest(
  test,
  "uprobes, many",
  async () => {
    using target = writeTargetProgram();
    const offsets = [target.probeMeOffset, target.probeMeOffset + target.secondInstruction];
    await sweep(
      () => probe(AttachType.TRACE_UPROBE_MULTI),
      (program) => uprobeMulti(program, target.path, { offsets }),
      SLOW,
    );
  },
  UPROBES,
);

hostTest(test, "uprobes, many without a link of all", async () => {
  using target = writeTargetProgram();
  using counter = probe();
  const offsets = [target.probeMeOffset, target.probeMeOffset + target.secondInstruction];
  const program = Object.assign(counter.program, { section: "uprobe.multi/x:y" });
  await sweepFaults(
    () => attachUprobeMulti(program, target.path, { offsets }, kernelBefore66),
    () => {},
    { left: openObjects, ...SLOW },
  );
});

/** The object of static probes, whose maps say what they hold. */
function staticProbes(): Made {
  const bpf = CollectionSpec.fromFile(fixturePath("usdt-arguments.el.o")).loadSync();
  return { program: bpf.programs.keep, [Symbol.dispose]: () => bpf.close() };
}

hostTest(test, "static probes", async () => {
  const place = { provider: "sample", name: "places" };
  const path = samplePath("fixed");
  await sweep(
    staticProbes,
    (program) =>
      attachUsdt(program, path, place, { ...runningUsdtKernel, hasCookies: () => false }),
    SLOW,
  );
});

kernelTest(test, "kprobes", KPROBES, async () => {
  await sweep(probe, (program) => kprobe(program, "vfs_open"), { left: openObjects, ...SLOW });
});

kernelTest(
  test,
  "kprobes, many",
  { needs: "kprobe.multi links", since: "5.18", config: "CONFIG_FPROBE" },
  async () => {
    await sweep(
      () => probe(AttachType.TRACE_KPROBE_MULTI),
      (program) => kprobeMulti(program, ["vfs_open", "vfs_read"]),
      SLOW,
    );
  },
);

test.run();
