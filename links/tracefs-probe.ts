/**
 * Kprobes and uprobes by way of tracefs: named events that are made and removed by writing to `kprobe_events` and `uprobe_events`. For
 * kernels without the units of probes, and for what these cannot be asked.
 *
 * Such an event outlives its maker, so that one whose process is killed stays, unused, until somebody removes it.
 *
 * @module
 */

import { closeSync, constants, openSync, readFileSync } from "node:fs";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { fileError } from "../src/sys/file.ts";
import { tracefs } from "../src/sys/paths.ts";
import { PerfType, perfEventOpen } from "../src/sys/perf.ts";
import type { Removal } from "./link.ts";
import {
  type ProbeList,
  removeTracefsProbe,
  removeTracefsProbeSoon,
  writeCommand,
} from "./tracefs-removal.ts";

/** The folder of our events below `events`. */
const GROUP = "ebpf";

/** A probe as tracefs takes it. */
export interface TracefsProbe {
  list: ProbeList;
  /** `SYMBOL`, `SYMBOL+OFFSET` or an address with 0x; for uprobes `PATH:0xOFFSET` and the offset of a counter in brackets. */
  place: string;
  isReturn: boolean;
  /** How many calls may be under way at once, for return probes of the kernel; undefined lets the kernel choose. */
  maxactive?: number | undefined;
  /** Only in this process. Default: in all. */
  pid?: number | undefined;
}

/** An event, and how to remove what made it once the event is closed. */
export interface TracefsEvent {
  event: FileDescriptor;
  remove: Removal;
}

/**
 * Makes an event and opens it, disabled.
 *
 * @throws UnsupportedError when tracefs is not mounted; SyscallError such as ENOENT for a symbol that the kernel does not have, EINVAL
 * where it may not be probed.
 */
export function openTracefsProbe(probe: TracefsProbe, target: string): TracefsEvent {
  const root = tracefs();
  const { list, pid } = probe;
  const name = `${GROUP}/probe_${process.pid}_${crypto.randomUUID().slice(-12)}`;
  const kind = probe.isReturn ? `r${probe.maxactive ?? ""}` : "p";
  writeCommand(`${root}/${list}`, `${kind}:${name} ${probe.place}`, `put ${target}`);
  const remove: Removal = {
    now: () => removeTracefsProbe(list, name, target),
    soon: () => removeTracefsProbeSoon(list, name, target),
  };
  try {
    const id = readId(`${root}/events/${name}/id`, target);
    const attributes = { type: PerfType.TRACEPOINT, config: id, bits: ["disabled"] } as const;
    const event = perfEventOpen(
      attributes,
      pid ?? -1,
      // An event of one process follows it to all CPUs; one of all processes needs one CPU, and probes run on all.
      pid === undefined ? 0 : -1,
      undefined,
      0,
      `event of ${target}`,
    );
    return { event, remove };
  } catch (error) {
    try {
      remove.now();
    } catch {
      // The error on the way tells more.
    }
    throw error;
  }
}

function readId(path: string, target: string): number {
  try {
    return Number(readFileSync(path, "utf8"));
  } catch (cause) {
    throw fileError(cause, `read the number of ${target} in ${path}`);
  }
}

/** Whether the kernel has the file, and this process may write to it. */
export function hasTracefsProbes(list: ProbeList): boolean {
  try {
    closeSync(openSync(`${tracefs()}/${list}`, constants.O_WRONLY | constants.O_APPEND));
    return true;
  } catch {
    return false;
  }
}
