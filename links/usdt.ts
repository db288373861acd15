/**
 * Attaches programs to static probes (USDT): places that a program's author marked with `sys/sdt.h`, by provider and name. How the
 * arguments of each place reach the program is in usdt-spec.ts and usdt-pool.ts.
 *
 * @module
 */

import { FileType, Machine } from "../elf/index.ts";
import { openMap } from "../maps/index.ts";
import { closeAll } from "../src/close-all.ts";
import { SyscallError, UnsupportedError } from "../src/error.ts";
import { haveHelper } from "../src/features/index.ts";
import { nearMatches } from "../src/near-matches.ts";
import { checkOptions } from "../src/options.ts";
import type { Program } from "../src/program.ts";
import { AttachType, ProgramType } from "../src/uapi.ts";
import { requireType, unsigned64 } from "./arguments.ts";
import { Executable } from "./executable.ts";
import { type KernelCalls, runningKernel } from "./kernel-calls.ts";
import { resolveBinary } from "./library.ts";
import type { Link } from "./link.ts";
import { LinkGroup } from "./link-group.ts";
import { attachToEvent } from "./perf-event.ts";
import { TargetError } from "./target-error.ts";
import { attachUprobeMulti } from "./uprobe-multi.ts";
import { openUprobe } from "./uprobe-unit.ts";
import { specLayout } from "./usdt-layout.ts";
import { addressesOf, codeMappings } from "./usdt-mappings.ts";
import { ADDRESSES, poolOf, SPECS, type SpecPool } from "./usdt-pool.ts";
import { type UsdtProbe, usdtProbes } from "./usdt-probes.ts";
import { encodeSpec, type UsdtPlace } from "./usdt-spec.ts";
import { parseUsdtTarget } from "./usdt-target.ts";

/** Whose arguments are understood, by `process.arch`. */
const MACHINES: Readonly<Record<string, number>> = {
  x64: Machine.X86_64,
  arm64: Machine.AARCH64,
};

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

/** What differs between kernels; for tests. @internal */
export interface UsdtKernel extends KernelCalls {
  hasCookies(): boolean;
}

/** @internal */
export const runningUsdtKernel: UsdtKernel = {
  ...runningKernel,
  hasCookies: () => haveHelper(ProgramType.KPROBE, "get_attach_cookie").state === "supported",
};

/** A place to attach to, and what the program reads with `bpf_get_attach_cookie` there. */
interface Attachment {
  probe: UsdtProbe;
  cookie: bigint;
}

/** A program that is attached to all places of a static probe. */
export class UsdtLink extends LinkGroup {
  /** The places. */
  readonly probes: readonly UsdtProbe[];
  #release: (() => void) | undefined;

  /** @internal */
  constructor(
    description: string,
    links: readonly Link[],
    probes: readonly UsdtProbe[],
    release: () => void,
  ) {
    super("usdt", description, links);
    this.probes = probes;
    this.#release = release;
  }

  override close(): void {
    try {
      super.close();
    } finally {
      this.#end();
    }
  }

  override async closeAsync(): Promise<void> {
    try {
      await super.closeAsync();
    } finally {
      this.#end();
    }
  }

  /**
   * As of all links. What the program is told of arguments stays for as long as its maps; links of several places are pinned one by
   * one, and then lose that when this is closed and the program attached to something else.
   */
  override pin(path: string): void {
    super.pin(path);
    this.#release = undefined;
  }

  #end(): void {
    const release = this.#release;
    this.#release = undefined;
    release?.();
  }
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
  const { pid } = options;
  if (pid !== undefined && (!Number.isInteger(pid) || pid < 1 || pid > 0x7fff_ffff)) {
    throw new RangeError(`pid must be the number of a process, not ${pid}`);
  }
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

/** Tells the program's maps of the arguments of each place; `releases` undo it. */
function prepare(
  input: {
    program: Program;
    executable: Executable;
    probes: readonly UsdtProbe[];
    cookie: bigint;
    text: string;
    pid: number | undefined;
  },
  kernel: UsdtKernel,
  releases: (() => void)[],
): Attachment[] {
  const { program, executable, probes, cookie, text, pid } = input;
  const specs = program.objectMaps?.[SPECS];
  if (specs === undefined) {
    if (program.objectMaps === undefined) refuseForeign(program);
    return probes.map((probe) => ({ probe, cookie }));
  }
  const { elf } = executable;
  if (elf.machine !== MACHINES[process.arch]) {
    throw new TargetError(`${text}: the file is for another machine than this one`, {
      code: "ERR_TARGET",
      target: executable.path,
    });
  }
  const layout = specLayout(program.types(), specs.valueSize);
  const pool = poolOf(specs, program.objectMaps?.[ADDRESSES]);
  const hasCookies = kernel.hasCookies();
  const inMemory = hasCookies ? undefined : addressFinder(executable, pid, text);
  const attachments: Attachment[] = [];
  for (const probe of probes) {
    const spec = encodeSpec(layout, probe.arguments, cookie, placeOf(executable, probe, text));
    const id = pool.take(spec);
    releases.push(() => pool.release(id));
    for (const address of inMemory?.(probe) ?? []) placeAt(pool, address, id, releases);
    attachments.push({ probe, cookie: hasCookies ? BigInt(id) : 0n });
  }
  return attachments;
}

/** Which elements of the maps of a program that came from elsewhere are in use, only its loader knows. */
function refuseForeign(program: Program): void {
  for (const id of program.info().mapIds) {
    let name: string;
    try {
      using map = openMap({ id }, { raw: true });
      ({ name } = map);
    } catch (error) {
      // Not without CAP_SYS_ADMIN.
      if (error instanceof SyscallError) return;
      throw error;
    }
    // The kernel keeps 15 characters.
    if (name.length < 15 || !SPECS.startsWith(name)) continue;
    throw new UnsupportedError(
      `cannot attach program "${program.name}" to a static probe: it was opened, and which arguments its map ${SPECS} holds ` +
        "is known to the process that loaded it; attach it there",
      { feature: "static probes of programs that were loaded elsewhere" },
    );
  }
}

function placeAt(pool: SpecPool, address: bigint, id: number, releases: (() => void)[]): void {
  pool.place(address, id);
  releases.push(() => pool.unplace(address));
}

/** Tells addresses of places in memory, for kernels that tell places by nothing else. */
function addressFinder(
  { elf, path }: Executable,
  pid: number | undefined,
  text: string,
): (probe: UsdtProbe) => bigint[] {
  if (elf.type === FileType.EXEC) return ({ address }) => [BigInt(address)];
  if (pid === undefined) {
    throw new UnsupportedError(
      `cannot attach to ${text} in all processes: the file is at another address in each, and this kernel has no cookies to tell ` +
        "its places apart; with a pid it can be done",
      { feature: "static probes of position-independent files in all processes", since: "5.15" },
    );
  }
  const mappings = codeMappings(path, pid);
  return ({ offset }) => addressesOf(offset, mappings);
}

function placeOf({ elf }: Executable, { address }: UsdtProbe, text: string): UsdtPlace {
  return {
    text,
    machine: elf.machine,
    address,
    fixed: elf.type === FileType.EXEC,
    symbolAddress(name) {
      const places = new Set(
        elf.symbolsNamed(name).flatMap((one) => (one.section === 0 ? [] : [one.value64])),
      );
      return places.size === 1 ? [...places][0] : undefined;
    },
  };
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
    closeAll(links);
    throw error;
  }
}
