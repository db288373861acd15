/**
 * Facts about the running kernel: release, CPUs, page size.
 *
 * Not what it can do: that is tried, never concluded from the release.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { release as osRelease, version as osVersion } from "node:os";
import { BpfError } from "../error.ts";
import { native } from "./ffi.ts";

/** A kernel release. */
export interface KernelRelease {
  /** As uname(2) gives it, such as `5.10.0-46-cloud-amd64`. */
  readonly text: string;
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
}

/** Beyond this no kernel numbers CPUs (`NR_CPUS` is at most 8192), and a list is not one. */
const MAX_CPU = 65_535;

let runningRelease: KernelRelease | undefined;
let possible: readonly number[] | undefined;
let page: number | undefined;

/**
 * The release of the running kernel, with the true patch level on distributions that hide it from
 * uname(2).
 */
export function release(): KernelRelease {
  runningRelease ??= parseRelease(osRelease(), osVersion(), readIfThere("/proc/version_signature"));
  return runningRelease;
}

/**
 * The release in the texts of the three places that may tell it: `uname -r`; `uname -v`, where
 * Debian puts the version that its `uname -r` rounds (`#1 SMP Debian 5.10.262-1`); and
 * `/proc/version_signature`, where Ubuntu does (`Ubuntu 5.15.0-1 5.15.7`).
 */
export function parseRelease(text: string, version = "", signature = ""): KernelRelease {
  const exact =
    /\bDebian (\d+\.\d+(?:\.\d+)?)/.exec(version)?.[1] ??
    /^\S+ \S+ (\d+\.\d+(?:\.\d+)?)/.exec(signature)?.[1] ??
    text;
  const [major = 0, minor = 0, patch = 0] = (/^\d+(?:\.\d+){0,2}/.exec(exact)?.[0] ?? "")
    .split(".")
    .map(Number);
  return { text, major, minor, patch };
}

/** Whether a release is older than another, such as `5.18`. */
export function isOlder(
  { major, minor }: Pick<KernelRelease, "major" | "minor">,
  release: string,
): boolean {
  const [wantedMajor = 0, wantedMinor = 0] = release.split(".").map(Number);
  return major < wantedMajor || (major === wantedMajor && minor < wantedMinor);
}

/**
 * `LINUX_VERSION_CODE` of a release: one byte each for minor and patch level, the latter at most
 * 255.
 */
export function versionCode({ major, minor, patch }: KernelRelease = release()): number {
  return major * 0x1_0000 + minor * 0x100 + Math.min(patch, 255);
}

/** How many CPUs the kernel could ever have: as many values a per-CPU map keeps for each key. */
export function possibleCpus(): number {
  return possibleCpuList().length;
}

/**
 * The numbers of the CPUs that the kernel could ever have, in the order of the values of a per-CPU
 * map.
 */
export function possibleCpuList(): readonly number[] {
  possible ??= readCpuList("possible");
  return possible;
}

/** The numbers of the CPUs that are online now. */
export function onlineCpus(): number[] {
  return readCpuList("online");
}

/**
 * The CPUs of a list such as `0-3,8`, in ascending order. Throws BpfError with code `ERR_CPU_LIST`.
 */
export function parseCpuList(text: string): number[] {
  const cpus = new Set<number>();
  for (const part of text.trim().split(",")) {
    const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part) ?? [];
    const [from, to] = [Number(first), Number(last)];
    if (first === undefined || from > to || to > MAX_CPU) {
      const shown = JSON.stringify(text.slice(0, 80));
      throw new BpfError(`read a list of CPUs: ${shown} is none`, { code: "ERR_CPU_LIST" });
    }
    for (let cpu = from; cpu <= to; cpu++) cpus.add(cpu);
  }
  return [...cpus].sort((a, b) => a - b);
}

/** Bytes a page of memory. */
export function pageSize(): number {
  page ??= native().pageSize();
  return page;
}

function readCpuList(name: string): number[] {
  const path = `/sys/devices/system/cpu/${name}`;
  try {
    return parseCpuList(readFileSync(path, "utf8"));
  } catch (cause) {
    // No guess: the kernel writes as many per-CPU values as it has CPUs, whatever room we made.
    throw new BpfError(`count CPUs: ${path} cannot be read; is sysfs mounted?`, {
      code: "ERR_CPU_LIST",
      cause,
    });
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
