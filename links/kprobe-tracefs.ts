/**
 * Kprobes by way of tracefs: named events that are made and removed by writing to `kprobe_events`. For kernels without the kprobe
 * unit, and for what the unit cannot be asked.
 *
 * Such an event outlives its maker, so that one whose process is killed stays, unused, until somebody removes it.
 *
 * @module
 */

import { randomBytes } from "node:crypto";
import { closeSync, constants, openSync, readFileSync, writeSync } from "node:fs";
import { SyscallError } from "../src/error.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { tracefs } from "../src/sys/paths.ts";
import { PerfType, perfEventOpen } from "../src/sys/perf.ts";

/** The folder of our events below `events`. */
const GROUP = "ebpf";

/** A probe as tracefs takes it. */
export interface TracefsProbe {
  /** `SYMBOL`, `SYMBOL+OFFSET` or an address with 0x. */
  place: string;
  isReturn: boolean;
  /** How many calls may be under way at once, for return probes; undefined lets the kernel choose. */
  maxactive: number | undefined;
}

/** An event, and how to remove what made it once the event is closed. */
export interface TracefsEvent {
  event: FileDescriptor;
  remove: () => void;
}

/**
 * Makes an event and opens it, disabled.
 *
 * @throws UnsupportedError when tracefs is not mounted; SyscallError such as ENOENT for a symbol that the kernel does not have, EINVAL
 * where it may not be probed.
 */
export function openTracefsKprobe(probe: TracefsProbe, target: string): TracefsEvent {
  const root = tracefs();
  const name = `${GROUP}/probe_${process.pid}_${randomBytes(6).toString("hex")}`;
  const kind = probe.isReturn ? `r${probe.maxactive ?? ""}` : "p";
  write(root, `${kind}:${name} ${probe.place}`, `put ${target}`);
  const remove = (): void => {
    try {
      write(root, `-:${name}`, `remove ${target}`);
    } catch (error) {
      // A pinned link still uses it, or it has gone with its module.
      const { code } = error as { code?: unknown };
      if (code !== "EBUSY" && code !== "ENOENT") throw error;
    }
  };
  try {
    const id = Number(readFileSync(`${root}/events/${name}/id`, "utf8"));
    const attributes = { type: PerfType.TRACEPOINT, config: id, bits: ["disabled"] } as const;
    const event = perfEventOpen(attributes, -1, 0, undefined, 0, `event of ${target}`);
    return { event, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

/** One command; opening the file in any other way would remove all events. */
function write(root: string, command: string, doing: string): void {
  let fd: number | undefined;
  try {
    fd = openSync(`${root}/kprobe_events`, constants.O_WRONLY | constants.O_APPEND);
    writeSync(fd, `${command}\n`);
  } catch (cause) {
    const { errno, syscall = "write" } = cause as NodeJS.ErrnoException;
    if (errno === undefined) throw cause;
    throw new SyscallError(`${doing} in ${root}/kprobe_events`, {
      errno: Math.abs(errno),
      syscall,
      cause,
    });
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

/** Whether the kernel has the file. */
export function hasTracefsKprobes(): boolean {
  try {
    closeSync(openSync(`${tracefs()}/kprobe_events`, constants.O_WRONLY | constants.O_APPEND));
    return true;
  } catch {
    return false;
  }
}
