/**
 * Has programs run at counters of CPUs and kernel: every so many events, or so often a second; profilers are made of this.
 *
 * @module
 */

import { abandonAll } from "../src/close-all.ts";
import { checkOptions, shown } from "../src/options.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { onlineCpus } from "../src/sys/kernel.ts";
import { PerfSoftware, PerfType, perfEventOpen } from "../src/sys/perf.ts";
import { ProgramType } from "../src/uapi.ts";
import { type AttachableProgram, requireBooleans, requireType, unsigned64 } from "./arguments.ts";
import { openCgroup } from "./cgroup.ts";
import { explain, perfPrivileges } from "./explain.ts";
import { failedWith } from "./kernel-calls.ts";
import type { Link } from "./link.ts";
import { LinkGroup } from "./link-group.ts";
import { attachToEvent } from "./perf-event.ts";

/** A counter of the CPU by the name that perf(1) has for it. */
export type HardwareCounter =
  | "cycles"
  | "instructions"
  | "cache-references"
  | "cache-misses"
  | "branches"
  | "branch-misses"
  | "bus-cycles";
/** A counter of the kernel by the name that perf(1) has for it. */
export type SoftwareCounter =
  | "cpu-clock"
  | "task-clock"
  | "page-faults"
  | "context-switches"
  | "cpu-migrations"
  | "minor-faults"
  | "major-faults"
  | "alignment-faults";

/** `enum perf_hw_id` of include/uapi/linux/perf_event.h. */
const HARDWARE: Readonly<Record<HardwareCounter, number>> = {
  cycles: 0,
  instructions: 1,
  "cache-references": 2,
  "cache-misses": 3,
  branches: 4,
  "branch-misses": 5,
  "bus-cycles": 6,
};
const SOFTWARE: Readonly<Record<SoftwareCounter, number>> = {
  "cpu-clock": PerfSoftware.CPU_CLOCK,
  "task-clock": PerfSoftware.TASK_CLOCK,
  "page-faults": PerfSoftware.PAGE_FAULTS,
  "context-switches": PerfSoftware.CONTEXT_SWITCHES,
  "cpu-migrations": PerfSoftware.CPU_MIGRATIONS,
  "minor-faults": PerfSoftware.PAGE_FAULTS_MIN,
  "major-faults": PerfSoftware.PAGE_FAULTS_MAJ,
  "alignment-faults": PerfSoftware.ALIGNMENT_FAULTS,
};

/** What to count, where, and how often the program runs. */
export interface SamplingOptions {
  /** A counter by name, or `perf_event_attr.type` and `.config` of any other. Default `cpu-clock`. */
  event?: HardwareCounter | SoftwareCounter | { type: number; config: bigint | number };
  /** Runs a second, on each CPU. Default 99, unless there is a period. */
  frequency?: number;
  /** Events between two runs; nanoseconds for the clocks. */
  period?: bigint | number;
  /** Only while this process runs, by its first thread. Default: all. */
  pid?: number;
  /** Only while processes of this cgroup run: its path, or a descriptor. */
  cgroup?: string | number;
  /** Only these CPUs; one that is not online is the error ENODEV, or EINVAL. Default: all that are online. */
  cpus?: readonly number[];
  /** `cpu-clock` instead of `cycles` where the CPU, as in many virtual machines, has no counters. Default true. */
  fallback?: boolean;
  /** What the program reads with `bpf_get_attach_cookie`, Linux 5.15. Default 0. */
  cookie?: bigint | number;
}

/** A program at the counters of several CPUs. */
export class SamplingLink extends LinkGroup {
  /** What is counted: the counter that was asked for, or the one that took its place. */
  readonly event: string;

  /** @internal */
  constructor(description: string, links: readonly Link[], event: string) {
    super("perf_event", description, links);
    this.event = event;
  }
}

interface Event {
  type: number;
  config: number | bigint;
  name: string;
}

/**
 * Attaches a program of type perf_event to a counter on each CPU, Linux 4.9; with `pid`, on whatever CPU the process is.
 *
 * @throws SyscallError such as EACCES without privileges, ESRCH for a process that is not there, ENOENT for a counter that the machine
 * does not have; UnsupportedError when a cookie is not possible; TypeError and RangeError for misuse.
 */
export function perfEvent(program: AttachableProgram, options: SamplingOptions = {}): SamplingLink {
  const names = ["event", "frequency", "period", "pid", "cgroup", "cpus", "fallback", "cookie"];
  checkOptions("perfEvent", options, names);
  requireBooleans("perfEvent", options, ["fallback"]);
  requireType(program, [ProgramType.PERF_EVENT], "perf event");
  const { pid, fallback = true } = options;
  if (pid !== undefined && options.cgroup !== undefined) {
    throw new TypeError("perfEvent: give a process or a cgroup, not both");
  }
  if (pid !== undefined && (!Number.isInteger(pid) || pid < 1 || pid > 0x7fff_ffff)) {
    throw new RangeError(`perfEvent: pid is ${shown(pid)}, not the number of a process`);
  }
  const rate = rateOf(options);
  const cookie = unsigned64(options.cookie ?? 0, "cookie");
  const event = eventOf(options.event ?? "cpu-clock");
  // An event of one process follows it to all CPUs.
  const cpus = cpusOf(options.cpus) ?? (pid === undefined ? onlineCpus() : [-1]);
  const doing = `cannot attach program ${program.name} to ${event.name}`;
  using cgroup = options.cgroup === undefined ? undefined : openCgroup(options.cgroup, doing);
  const places = { cpus, isChosen: options.cpus !== undefined, whom: cgroup ?? pid ?? -1 };
  const attach = (which: Event): SamplingLink => attachAll(program, which, places, rate, cookie);
  try {
    return attach(event);
  } catch (error) {
    const isAbsent = ["ENOENT", "EOPNOTSUPP", "ENODEV", "ENXIO"].some((code) =>
      failedWith(error, code),
    );
    if (!isAbsent || !fallback || event.name !== "cycles") throw error;
    return attach(eventOf("cpu-clock"));
  }
}

type Rate = { sampleFrequency: number } | { samplePeriod: bigint };

interface Places {
  cpus: readonly number[];
  /** Whether the caller said which. */
  isChosen: boolean;
  whom: number | FileDescriptor;
}

function attachAll(
  program: AttachableProgram,
  event: Event,
  places: Places,
  rate: Rate,
  cookie: bigint,
): SamplingLink {
  const links: Link[] = [];
  try {
    for (const cpu of places.cpus) {
      const target = cpu === -1 ? event.name : `${event.name} of CPU ${cpu}`;
      const fd = open(program, event, cpu, places, rate, target);
      // The CPU went offline after it was counted.
      if (fd === undefined) continue;
      links.push(attachToEvent(program, fd, { kind: "perf_event", target, cookie, reasons: {} }));
    }
    return new SamplingLink(`${program.name} to ${event.name}`, links, event.name);
  } catch (error) {
    abandonAll(links);
    throw error;
  }
}

/** Undefined for a CPU that is not there, where nobody asked for this one. */
function open(
  program: AttachableProgram,
  { type, config }: Event,
  cpu: number,
  { whom, isChosen }: Places,
  rate: Rate,
  target: string,
): FileDescriptor | undefined {
  try {
    const attributes = { type, config, ...rate, bits: ["disabled"] } as const;
    return perfEventOpen(attributes, whom, cpu, undefined, 0, `event of ${target}`);
  } catch (error) {
    const offline = () => (cpu === -1 ? undefined : offlineText(cpu));
    if (failedWith(error, "ENODEV") && !isChosen && offline() !== undefined) return undefined;
    throw explain(error, `cannot attach program ${program.name} to ${target}`, {
      EACCES: perfPrivileges,
      EPERM: perfPrivileges,
      ESRCH: "there is no such process",
      ENOENT:
        typeof whom === "object"
          ? "the machine has no such counter, or no controller was ever given to the first cgroup's children (cgroup.subtree_control)"
          : "the machine has no such counter, or the virtual machine does not show it",
      EOPNOTSUPP: "the CPU cannot interrupt for this counter; virtual machines often cannot",
      ENODEV: () => offline() ?? "the machine has no such counter",
      EINVAL: () =>
        offline() ??
        "the kernel does not take these numbers; kernel.perf_event_max_sample_rate bounds the frequency",
    });
  }
}

/** Undefined for a CPU that is online. */
function offlineText(cpu: number): string | undefined {
  const online = onlineCpus();
  return online.includes(cpu)
    ? undefined
    : `CPU ${cpu} is not online; these are: ${online.join(", ")}`;
}

function eventOf(event: NonNullable<SamplingOptions["event"]>): Event {
  if (typeof event === "object" && event !== null) {
    checkOptions("perfEvent: event", event, ["type", "config"]);
    const { type, config } = event;
    if (!Number.isInteger(type) || type < 0 || type > 0xffff_ffff) {
      throw new RangeError(
        `perfEvent: event.type is ${shown(type)}, not a whole number of 32 bits`,
      );
    }
    unsigned64(config, "perfEvent: event.config");
    return { type, config, name: `event ${type}:${config}` };
  }
  if (Object.hasOwn(HARDWARE, event)) {
    const config = HARDWARE[event as HardwareCounter];
    return { type: PerfType.HARDWARE, config, name: event };
  }
  if (Object.hasOwn(SOFTWARE, event)) {
    const config = SOFTWARE[event as SoftwareCounter];
    return { type: PerfType.SOFTWARE, config, name: event };
  }
  const known = [...Object.keys(HARDWARE), ...Object.keys(SOFTWARE)];
  throw new TypeError(
    `perfEvent: there is no counter ${shown(event)}; there are ${known.join(", ")}`,
  );
}

function cpusOf(cpus: readonly number[] | undefined): readonly number[] | undefined {
  if (cpus === undefined) return undefined;
  if (!Array.isArray(cpus)) throw new TypeError("perfEvent: cpus is no list of numbers of CPUs");
  if (cpus.length === 0) throw new RangeError("perfEvent: the list cpus is empty");
  const wrong = cpus.find((cpu) => !Number.isInteger(cpu) || cpu < 0 || cpu > 0x7fff_ffff);
  if (wrong !== undefined) throw new RangeError(`perfEvent: ${shown(wrong)} is no CPU's number`);
  if (new Set(cpus).size === cpus.length) return cpus;
  throw new TypeError("perfEvent: a CPU is in the list cpus twice");
}

function rateOf({ frequency, period }: SamplingOptions): Rate {
  if (frequency !== undefined && period !== undefined) {
    throw new TypeError("perfEvent: give a frequency or a period, not both");
  }
  if (period !== undefined) {
    const samplePeriod = unsigned64(period, "period");
    if (samplePeriod === 0n) throw new RangeError("perfEvent: a period of 0 never ends");
    return { samplePeriod };
  }
  const sampleFrequency = frequency ?? 99;
  if (!Number.isInteger(sampleFrequency) || sampleFrequency < 1 || sampleFrequency > 1_000_000) {
    throw new RangeError(
      `perfEvent: frequency is ${shown(frequency)}, not a whole number of runs a second`,
    );
  }
  return { sampleFrequency };
}
