/**
 * Attaches programs to tracepoints: the stable events of the kernel that tracefs lists, syscalls included.
 *
 * @module
 */

import { checkOptions } from "../src/options.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { PerfType, perfEventOpen } from "../src/sys/perf.ts";
import { ProgramType } from "../src/uapi.ts";
import { type AttachableProgram, requireType, unsigned64 } from "./arguments.ts";
import { explain, perfPrivileges } from "./explain.ts";
import type { Link } from "./link.ts";
import { attachToEvent, type PerfAttachment } from "./perf-event.ts";
import { parseTracepointName, tracepointId } from "./tracepoint-id.ts";

/** How to attach to a tracepoint. */
export interface TracepointOptions {
  /** What the program reads with `bpf_get_attach_cookie`, Linux 5.15. Default 0. */
  cookie?: bigint | number;
}

/**
 * Attaches a program of type tracepoint to `group:name`, on all CPUs and for all processes; Linux 4.7, `syscalls:*` 4.14.
 * Several programs may be attached to one tracepoint.
 *
 * @throws TargetError with suggestions for a name that the kernel does not have; UnsupportedError when tracefs is not
 * mounted or a cookie is not possible; SyscallError such as EACCES for a program that reads beyond the event's fields;
 * TypeError for a program of another type.
 */
export function tracepoint(
  program: AttachableProgram,
  tracepoint: string,
  options?: TracepointOptions,
): Link;
export function tracepoint(
  program: AttachableProgram,
  group: string,
  name: string,
  options?: TracepointOptions,
): Link;
export function tracepoint(
  program: AttachableProgram,
  first: string,
  second?: string | TracepointOptions,
  third?: TracepointOptions,
): Link {
  const text = typeof second === "string" ? `${first}:${second}` : first;
  const options = (typeof second === "string" ? third : second) ?? {};
  checkOptions("tracepoint", options, ["cookie"]);
  requireType(program, [ProgramType.TRACEPOINT], "tracepoint");
  const cookie = unsigned64(options.cookie ?? 0, "cookie");
  const name = parseTracepointName(text);
  const target = `tracepoint ${name.group}:${name.name}`;
  const event = openTracepoint(tracepointId(name), program, target);
  return attachToEvent(program, event, tracepointAttachment(target, cookie));
}

/** Opens the event of a tracepoint, on CPU 0: programs run on all CPUs wherever the event is. */
export function openTracepoint(
  id: number,
  program: AttachableProgram,
  target: string,
): FileDescriptor {
  try {
    const attributes = { type: PerfType.TRACEPOINT, config: id, bits: ["disabled"] } as const;
    return perfEventOpen(attributes, -1, 0, undefined, 0, `event of ${target}`);
  } catch (error) {
    throw explain(error, `cannot attach program ${program.name} to ${target}`, {
      EACCES: perfPrivileges,
      EPERM: perfPrivileges,
      ENOENT: "it has gone; was its module unloaded?",
    });
  }
}

/** What {@link attachToEvent} needs to know of a tracepoint. */
export function tracepointAttachment(target: string, cookie: bigint): PerfAttachment {
  return {
    kind: "tracepoint",
    target,
    cookie,
    reasons: { EACCES: "the program reads beyond the fields of this tracepoint" },
  };
}
