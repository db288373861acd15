/**
 * Opens the events of uprobes: by the kernel's uprobe unit, or by way of tracefs where there is none.
 *
 * @module
 */

import { UnsupportedError } from "../src/error.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { openFile } from "../src/sys/file.ts";
import { perfEventOpen } from "../src/sys/perf.ts";
import { TargetError } from "../src/target-error.ts";
import { type AttachableProgram, unsigned64 } from "./arguments.ts";
import { explain, type Reasons, uprobePrivileges } from "./explain.ts";
import { failedWith, type KernelCalls, runningKernel } from "./kernel-calls.ts";
import type { Removal } from "./link.ts";
import type { PerfAttachment } from "./perf-event.ts";
import type { ProbeUnit } from "./pmu.ts";
import { hasTracefsProbes, openTracefsProbe, type TracefsProbe } from "./tracefs-probe.ts";
import type { UprobeOptions } from "./uprobe.ts";

const LIST = "uprobe_events";

/** A probe as the kernel takes it. */
export interface UprobePlace {
  path: string;
  /** In the file. */
  offset: number;
  /** For people: path and symbol. */
  text: string;
}

/** An event, disabled, and how to remove what is left of it once it is closed. */
export interface OpenUprobe {
  event: FileDescriptor;
  remove?: Removal;
}

/** Opens the event of a uprobe; the breakpoint is in the code when this returns. */
export function openUprobe(
  program: AttachableProgram,
  place: UprobePlace,
  options: UprobeOptions,
  kernel: KernelCalls = runningKernel,
): OpenUprobe {
  const { retprobe = false, pid } = options;
  const unit = uprobeUnit(options, kernel);
  const target = `${retprobe ? "uretprobe" : "uprobe"} ${place.text}`;
  // What the options say is looked at before the kernel is asked.
  const counter = unsigned64(options.refCtrOffset ?? 0, "refCtrOffset");
  const config = unit === undefined ? 0n : counterConfig(unit, counter);
  try {
    if (unit !== undefined) return { event: openByUnit(unit, place, options, config, target) };
    return openByTracefs(place, { list: LIST, isReturn: retprobe, pid }, counter, target);
  } catch (error) {
    const doing = `cannot attach program ${program.name} to ${target}`;
    if (failedWith(error, "ENOENT", "ENOTDIR")) {
      throw new TargetError(`${doing}: there is no such file`, {
        target: place.path,
        cause: error,
      });
    }
    throw explain(error, doing, uprobeReasons(place, pid));
  }
}

/** Undefined where the probe is put by way of tracefs. */
function uprobeUnit({ tracefs }: UprobeOptions, kernel: KernelCalls): ProbeUnit | undefined {
  if (tracefs === true) return undefined;
  try {
    return kernel.probeUnit("uprobe");
  } catch (error) {
    const isMissing = error instanceof UnsupportedError && tracefs !== false;
    // A kernel that was built without both has said what it needs.
    if (isMissing && hasTracefsProbes(LIST)) return undefined;
    throw error;
  }
}

function openByUnit(
  unit: ProbeUnit,
  place: UprobePlace,
  { retprobe = false, pid }: UprobeOptions,
  counter: bigint,
  target: string,
): FileDescriptor {
  return perfEventOpen(
    {
      type: unit.type,
      config: (retprobe ? unit.retprobe : 0n) | counter,
      config1: place.path,
      config2: place.offset,
      bits: ["disabled"],
    },
    pid ?? -1,
    // An event of one process follows it to all CPUs; an event of all processes needs one CPU, and probes run on all.
    pid === undefined ? 0 : -1,
    undefined,
    0,
    `event of ${target}`,
  );
}

function openByTracefs(
  place: UprobePlace,
  probe: Omit<TracefsProbe, "place">,
  counter: bigint,
  target: string,
): OpenUprobe {
  const { path, offset } = place;
  const where = `0x${offset.toString(16)}${counter === 0n ? "" : `(0x${counter.toString(16)})`}`;
  if (!/[\s#]/.test(path)) return openTracefsProbe({ ...probe, place: `${path}:${where}` }, target);
  // tracefs divides its commands at spaces and takes # for a comment; it looks the file up at once, under any name.
  using file = openFile(path);
  return openTracefsProbe({ ...probe, place: `/proc/self/fd/${file.number}:${where}` }, target);
}

/** What {@link attachToEvent} needs to know of a uprobe. */
export function uprobeAttachment(
  place: UprobePlace,
  options: UprobeOptions,
  cookie: bigint,
  { remove }: OpenUprobe,
): PerfAttachment {
  const kind = options.retprobe === true ? "uretprobe" : "uprobe";
  const attachment = { kind, target: `${kind} ${place.text}`, cookie, reasons: {} } as const;
  return remove === undefined ? attachment : { ...attachment, afterClose: remove };
}

function uprobeReasons(place: UprobePlace, pid: number | undefined): Reasons {
  const unusual =
    "there is an instruction that cannot be probed: a breakpoint already, or one that cannot be " +
    "single-stepped; the offset may not be the start of an instruction";
  return {
    EACCES: () => uprobePrivileges(),
    EPERM: () => uprobePrivileges(),
    EINVAL:
      `offset 0x${place.offset.toString(16)} is outside the file, or the file is not a regular one, or ` +
      "the reference counter is not 2-byte aligned or not that of another probe at this place",
    EIO: "the kernel cannot read the file for probing; some file systems do not allow it",
    ENOTSUPP: unusual,
    EOPNOTSUPP: unusual,
    ENOEXEC: unusual,
    ESRCH: `there is no process ${pid}`,
  };
}

function counterConfig(unit: ProbeUnit, offset: bigint): bigint {
  if (offset === 0n) return 0n;
  if (unit.refCtrOffset === undefined) {
    throw new UnsupportedError("this kernel's uprobes have no reference counters", {
      feature: "reference counters of uprobes",
      since: "4.20",
    });
  }
  const { shift, bits } = unit.refCtrOffset;
  if (offset >> bits !== 0n) {
    throw new RangeError(
      `refCtrOffset 0x${offset.toString(16)} does not fit the kernel's ${bits} bits`,
    );
  }
  return offset << shift;
}
