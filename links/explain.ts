/**
 * Why the kernel refused to attach, in words: errno values mean different things at each hook. It tries nothing again.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { SyscallError } from "../src/error.ts";
import {
  CAP_PERFMON,
  CAP_SYS_ADMIN,
  effectiveCapabilities,
  hasCapability,
} from "../src/sys/capabilities.ts";
import { outsideHint } from "../src/sys/user-namespace.ts";

/** By errno name: what it means at one hook. */
export type Reasons = Readonly<Record<string, string | (() => string)>>;

/**
 * The same error with what was attempted and what the errno means there; `cause` is the error as it came. Errors that
 * are no SyscallError come back unchanged.
 */
export function explain(error: unknown, doing: string, reasons: Reasons): unknown {
  if (!(error instanceof SyscallError)) return error;
  const found = Object.hasOwn(reasons, error.code) ? reasons[error.code] : undefined;
  const reason = typeof found === "function" ? found() : found;
  return new SyscallError(reason === undefined ? doing : `${doing} (${reason})`, {
    errno: error.errno,
    syscall: error.syscall,
    command: error.command,
    cause: error,
  });
}

/** What netlink said besides the errno, with a space before it; empty where it said nothing. */
export function saidBy(error: unknown): string {
  const said =
    error instanceof Error ? /\(the kernel says: .*?\)/.exec(error.message)?.[0] : undefined;
  return said === undefined ? "" : ` ${said}`;
}

/** What the process lacks to open perf events, by the setting that decides it. */
export function perfPrivileges(): string {
  const level = readNumber("/proc/sys/kernel/perf_event_paranoid");
  const setting = level === undefined ? "" : `; kernel.perf_event_paranoid is ${level}`;
  // Debian and Ubuntu have levels above 2, at which CAP_PERFMON alone is not enough.
  const needed =
    level !== undefined && level > 2
      ? "CAP_SYS_ADMIN, or CAP_PERFMON with a perf_event_paranoid of at most 2"
      : "CAP_PERFMON (CAP_SYS_ADMIN before Linux 5.8)";
  return `it needs ${needed}${setting}; in a container, its seccomp profile may forbid perf_event_open${outsideHint()}`;
}

/**
 * What the process lacks for a perf event of a uprobe: CAP_SYS_ADMIN, for which CAP_PERFMON was enough from Linux 5.8 to 6.15
 * (`perf_uprobe_event_init` of kernel/events/core.c; stable releases from July 2025 on are as 6.16).
 */
export function uprobePrivileges(
  capabilities: bigint | undefined = effectiveCapabilities(),
): string {
  if (hasCapability(capabilities, CAP_SYS_ADMIN)) return perfPrivileges();
  const otherwise = "uprobe.multi (Linux 6.6) does with CAP_BPF and CAP_PERFMON";
  return hasCapability(capabilities, CAP_PERFMON)
    ? `it needs CAP_SYS_ADMIN since Linux 6.16 and the stable releases of July 2025, which CAP_PERFMON does not stand for in uprobes; ${otherwise}`
    : `${perfPrivileges()}; uprobes need CAP_SYS_ADMIN since Linux 6.16 and the stable releases of July 2025; ${otherwise}`;
}

/** What the process lacks to attach BPF programs. */
export function bpfPrivileges(): string {
  return `it needs CAP_BPF and CAP_PERFMON (CAP_SYS_ADMIN before Linux 5.8)${lockdown()}${outsideHint()}`;
}

/** What the process lacks to change the network. */
export function networkPrivileges(): string {
  return `it needs CAP_NET_ADMIN in the user namespace of the network, and CAP_BPF${outsideHint()}`;
}

/** What the process lacks to probe the kernel. */
export function probePrivileges(): string {
  return `${perfPrivileges()}${lockdown()}`;
}

/** That the kernel is locked down, with a semicolon before it; empty where it is not. `path` stands in for the file in tests. */
export function lockdown(path = "/sys/kernel/security/lockdown"): string {
  const level = /\[(\w+)\]/.exec(readText(path))?.[1];
  return level === undefined || level === "none" ? "" : `; kernel lockdown is "${level}"`;
}

function readNumber(path: string): number | undefined {
  const text = readText(path).trim();
  return /^-?\d+$/.test(text) ? Number(text) : undefined;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
