/**
 * Tells the maps of a program with libbpf's `bpf/usdt.bpf.h` of the arguments of each place of a static probe, before it is attached
 * there. It attaches nothing.
 *
 * @module
 */

import { FileType, Machine } from "../elf/index.ts";
import { openMap } from "../maps/index.ts";
import { SyscallError, UnsupportedError } from "../src/error.ts";
import { haveHelper } from "../src/features/index.ts";
import type { Program } from "../src/program.ts";
import { TargetError } from "../src/target-error.ts";
import { ProgramType } from "../src/uapi.ts";
import type { Executable } from "./executable.ts";
import { type KernelCalls, runningKernel } from "./kernel-calls.ts";
import { specLayout } from "./usdt-layout.ts";
import { addressesOf, codeMappings } from "./usdt-mappings.ts";
import { ADDRESSES, poolOf, SPECS, type SpecPool } from "./usdt-pool.ts";
import type { UsdtProbe } from "./usdt-probes.ts";
import { encodeSpec, type UsdtPlace } from "./usdt-spec.ts";

/** Whose arguments are understood, by `process.arch`. */
const MACHINES: Readonly<Record<string, number>> = {
  x64: Machine.X86_64,
  arm64: Machine.AARCH64,
};

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
export interface Attachment {
  probe: UsdtProbe;
  cookie: bigint;
}

/** Tells the program's maps of the arguments of each place; `releases` undo it. */
export function prepare(
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
