/**
 * Attaches programs to static probes (USDT): places that a program's author marked with `sys/sdt.h`, by provider and name. How the
 * arguments of each place reach the program is in usdt-prepare.ts.
 *
 * @module
 */

import { abandonAll } from "../src/close-all.ts";
import { nearMatches } from "../src/near-matches.ts";
import { checkOptions, shown } from "../src/options.ts";
import type { Program } from "../src/program.ts";
import { TargetError } from "../src/target-error.ts";
import { AttachType, ProgramType } from "../src/uapi.ts";
import {
  requireNoFunction,
  requireOnePlace,
  requireProcess,
  requireType,
  unsigned64,
} from "./arguments.ts";
import { Executable, requireFile } from "./executable.ts";
import type { KernelCalls } from "./kernel-calls.ts";
import { resolveBinary } from "./library.ts";
import type { Link } from "./link.ts";
import { attachToEvent } from "./perf-event.ts";
import { attachUprobeMulti } from "./uprobe-multi.ts";
import { openUprobe } from "./uprobe-unit.ts";
import { UsdtLink } from "./usdt-link.ts";
import { type Attachment, prepare, runningUsdtKernel, type UsdtKernel } from "./usdt-prepare.ts";
import { type UsdtProbe, usdtProbes } from "./usdt-probes.ts";
import { parseUsdtTarget } from "./usdt-target.ts";

/** Which static probe of a file, and for whom. */
export interface UsdtOptions {
  /** Who defined the probe, such as `libc`. */
  provider?: string;
  /** Such as `setjmp`. */
  name?: string;
  /** Only in this process. Default: in every process that runs the file. */
  pid?: number;
  /** What the program reads with `bpf_usdt_cookie()`. Default 0. */
  cookie?: bigint | number;
}

/**
 * Attaches a program of type kprobe to a static probe, in all places that it has in the file, for running and future processes.
 * Linux 4.17; with a semaphore, which the kernel raises as long as the program is attached, 4.20.
 *
 * `file` is as for `uprobe`; without a provider and name in `options` it is `PATH:PROVIDER:NAME`, as in section names. Programs read
 * arguments with libbpf's `bpf/usdt.bpf.h`. In position-independent files that takes cookies (5.15) or a `pid`. A program
 * that was loaded for attach type `TRACE_UPROBE_MULTI` (6.6) gets one link for all places, which is quicker to close. One whose
 * object has no map of arguments gets `cookie` from `bpf_get_attach_cookie`.
 *
 * @throws TargetError for a file or probe that is not there (with suggestions), or of another machine; ElfError for a damaged file;
 * UnsupportedError when the kernel lacks what the probe needs, or an argument cannot be read by programs; BpfError
 * (`ERR_USDT`) when the object's maps are full or unlike libbpf's; SyscallError as of `uprobe`; TypeError and RangeError for misuse.
 */
export function usdt(
  program: Program,
  file: string | Executable,
  options: UsdtOptions = {},
): UsdtLink {
  requireNoFunction(program, "static probe");
  return attachUsdt(program, file, options);
}

/** The same on any kernel. */
export function attachUsdt(
  program: Program,
  file: string | Executable,
  options: UsdtOptions,
  kernel: UsdtKernel = runningUsdtKernel,
): UsdtLink {
  checkOptions("usdt", options, ["provider", "name", "pid", "cookie"]);
  requireType(program, [ProgramType.KPROBE], "static probe");
  requireOnePlace(program, "static probe", [AttachType.TRACE_UPROBE_MULTI]);
  requireFile(file, "usdt");
  const { pid } = options;
  requireProcess(pid);
  const cookie = unsigned64(options.cookie ?? 0, "cookie");
  const target = whatIsMeant(file, options);
  const executable =
    typeof target.file === "string"
      ? Executable.open(resolveBinary(target.file, pid))
      : target.file;
  const probes = findProbes(executable, target.provider, target.name);
  const text = `${target.provider}:${target.name} in ${executable.path}`;
  const releases: (() => void)[] = [];
  const release = () => {
    for (const one of releases.splice(0)) one();
  };
  try {
    const attachments = prepare(
      { program, executable, probes, cookie, text, pid },
      kernel,
      releases,
    );
    const links = attachAll(program, executable, attachments, { text, pid }, kernel);
    return new UsdtLink(`${program.name} to usdt ${text}`, links, probes, release);
  } catch (error) {
    release();
    throw error;
  }
}

function whatIsMeant(
  file: string | Executable,
  { provider, name }: UsdtOptions,
): { file: string | Executable; provider: string; name: string } {
  for (const [what, value] of Object.entries({ provider, name })) {
    if (value === undefined || typeof value === "string") continue;
    throw new TypeError(`usdt: ${what} is ${shown(value)}, not text`);
  }
  if (provider !== undefined && name !== undefined) return { file, provider, name };
  if (provider !== undefined || name !== undefined || typeof file !== "string") {
    throw new TypeError("usdt takes a provider and a name, or a text PATH:PROVIDER:NAME");
  }
  const target = parseUsdtTarget(file);
  return { ...target, file: target.path };
}

/** Different places of a probe; the same place may be noted twice. */
function findProbes(executable: Executable, provider: string, name: string): UsdtProbe[] {
  const { probes, unreadable, path } = usdtProbes(executable);
  const found = new Map<number, UsdtProbe>();
  for (const probe of probes) {
    if (probe.provider === provider && probe.name === name) found.set(probe.offset, probe);
  }
  if (found.size > 0) return [...found.values()];
  const names = new Set(probes.map((probe) => `${probe.provider}:${probe.name}`));
  const wanted = `${provider}:${name}`;
  const damaged = unreadable.length === 0 ? "" : `, and ${unreadable.length} notes are damaged`;
  throw new TargetError(
    names.size === 0
      ? `there is no static probe ${wanted} in ${path}: it has none${damaged}`
      : `there is no static probe ${wanted} in ${path}${damaged}`,
    { target: wanted, suggestions: nearMatches(wanted, names) },
  );
}

function attachAll(
  program: Program,
  executable: Executable,
  attachments: readonly Attachment[],
  { text, pid }: { text: string; pid: number | undefined },
  kernel: KernelCalls,
): Link[] {
  const { path } = executable;
  if (program.attachType === AttachType.TRACE_UPROBE_MULTI) {
    const multi = {
      offsets: attachments.map(({ probe }) => probe.offset),
      cookies: attachments.map(({ cookie }) => cookie),
      ...(attachments.some(({ probe }) => probe.semaphore !== undefined)
        ? { refCtrOffsets: attachments.map(({ probe }) => probe.semaphore ?? 0) }
        : {}),
      ...(pid === undefined ? {} : { pid }),
    };
    return [attachUprobeMulti(program, executable, multi, kernel)];
  }
  const links: Link[] = [];
  try {
    for (const { probe, cookie } of attachments) {
      const place = { path, offset: probe.offset, text };
      const options = {
        ...(pid === undefined ? {} : { pid }),
        ...(probe.semaphore === undefined ? {} : { refCtrOffset: probe.semaphore }),
      };
      const { event, remove } = openUprobe(program, place, options, kernel);
      const attachment = { kind: "usdt", target: `usdt ${text}`, cookie, reasons: {} } as const;
      const cleared = remove === undefined ? attachment : { ...attachment, afterClose: remove };
      links.push(attachToEvent(program, event, cleared, kernel));
    }
    return links;
  } catch (error) {
    abandonAll(links);
    throw error;
  }
}
