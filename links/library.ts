/**
 * From a bare name such as `libc.so.6`, `libc` or `bash` to the path of a file that uprobes can take.
 *
 * It looks where the traced process has libraries mapped, then in the usual directories; `ld.so.cache` is of glibc alone
 * and is not read. Paths, those below `/proc/PID/root` included, are not touched.
 *
 * @module
 */

import {
  closeSync,
  constants,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
} from "node:fs";
import { basename, join } from "node:path";
import { nearMatches } from "../src/near-matches.ts";
import { TargetError } from "../src/target-error.ts";

/** Debian's names of the directories of one architecture below `/lib` and `/usr/lib`, by `process.arch`. */
const MULTIARCH: Readonly<Record<string, string>> = {
  x64: "x86_64-linux-gnu",
  arm64: "aarch64-linux-gnu",
  riscv64: "riscv64-linux-gnu",
  loong64: "loongarch64-linux-gnu",
  ppc64: "powerpc64le-linux-gnu",
  s390x: "s390x-linux-gnu",
};
/** Up to and with `e_machine` (offset 18, two bytes). */
const IDENTITY = 20;

/** Where to look; for tests. */
export interface LibraryPlaces {
  /** Text of `/proc/PID/maps`. */
  maps?: string;
  directories?: readonly string[];
  programs?: readonly string[];
}

/**
 * The path of the file that `name` means. A name with a slash is a path already. With a `pid`, libraries are those of that
 * process, seen through `/proc/PID/root` when it lives in another mount namespace.
 *
 * @throws TargetError (`ENOENT`) with suggestions.
 */
export function resolveBinary(name: string, pid?: number, places: LibraryPlaces = {}): string {
  if (name.includes("/")) return name;
  if (name === "") throw new TypeError("the path of a uprobe is empty");
  const pattern = libraryPattern(name);
  const mapped = new Map<string, string>();
  for (const path of mappedFiles(places.maps ?? readMaps(pid))) mapped.set(basename(path), path);
  const loaded =
    mapped.get(name) ?? bestVersion([...mapped.keys()], pattern, (file) => mapped.get(file));
  if (loaded !== undefined) return throughRoot(loaded, pid);

  const identity = readIdentity("/proc/self/exe");
  const seen = new Set<string>(mapped.keys());
  for (const directory of places.directories ?? libraryDirectories()) {
    const files = listDirectory(directory);
    const usable = (file: string): string | undefined => {
      const path = join(directory, file);
      const found = readIdentity(path);
      return found !== undefined && sameMachine(found, identity) ? path : undefined;
    };
    for (const file of files) if (/\.so(?:\.|$)/.test(file)) seen.add(file);
    const path =
      (files.includes(name) ? usable(name) : undefined) ?? bestVersion(files, pattern, usable);
    if (path !== undefined) return path;
  }
  for (const directory of places.programs ?? programDirectories()) {
    const path = join(directory, name);
    if (readIdentity(path) !== undefined) return path;
  }
  throw new TargetError(
    `there is no library or program "${name}" in the usual places; give a path`,
    {
      target: name,
      suggestions: nearMatches(name, seen),
    },
  );
}

/**
 * Files that the short name of a library stands for: `libc` for `libc.so.6`, `libc-2.31.so` and `libc.musl-x86_64.so.1`,
 * `libssl.so` for `libssl.so.3`.
 */
function libraryPattern(name: string): RegExp {
  const stem = name.replace(/\.so$/, "").replace(/[^A-Za-z0-9_-]/g, "\\$&");
  return new RegExp(`^${stem}(?:-\\d[\\d.]*|\\.musl-\\w+)?\\.so(?:\\.\\d[\\d.]*)?$`);
}

/** The usable file of the highest version. */
function bestVersion(
  files: readonly string[],
  pattern: RegExp,
  usable: (file: string) => string | undefined,
): string | undefined {
  const candidates = files.filter((file) => pattern.test(file));
  candidates.sort((a, b) => b.localeCompare(a, "en", { numeric: true }));
  for (const file of candidates) {
    const path = usable(file);
    if (path !== undefined) return path;
  }
  return undefined;
}

/** Paths of the files that a process has mapped; deleted ones cannot be probed by path and are left out. */
function* mappedFiles(maps: string): Generator<string> {
  for (const line of maps.split("\n")) {
    const path = /^(?:\S+\s+){5}(\/.*)$/.exec(line)?.[1];
    if (path !== undefined && !path.endsWith(" (deleted)")) yield path;
  }
}

function readMaps(pid: number | undefined): string {
  try {
    return readFileSync(`/proc/${pid ?? "self"}/maps`, "utf8");
  } catch (cause) {
    if (pid === undefined) return "";
    const gone = (cause as { code?: unknown }).code === "ENOENT";
    throw new TargetError(
      gone ? `there is no process ${pid}` : `the mappings of process ${pid} cannot be read`,
      { code: gone ? "ENOENT" : "ERR_TARGET", target: String(pid), cause },
    );
  }
}

/** `path` as this process must spell it, when it was read from the mappings of another. */
function throughRoot(path: string, pid: number | undefined): string {
  if (pid === undefined) return path;
  try {
    if (readlinkSync(`/proc/${pid}/ns/mnt`) === readlinkSync("/proc/self/ns/mnt")) return path;
  } catch {
    // Without the right to tell, the longer path is the one that is always right.
  }
  return `/proc/${pid}/root${path}`;
}

function libraryDirectories(): string[] {
  const multiarch = MULTIARCH[process.arch];
  const own = multiarch === undefined ? [] : [`/lib/${multiarch}`, `/usr/lib/${multiarch}`];
  return [
    ...listFrom(process.env["LD_LIBRARY_PATH"]),
    ...own,
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
    "/usr/local/lib",
  ];
}

function programDirectories(): string[] {
  return [...listFrom(process.env["PATH"]), "/usr/bin", "/usr/sbin"];
}

function listFrom(variable: string | undefined): string[] {
  return (variable ?? "").split(":").filter((directory) => directory.startsWith("/"));
}

function listDirectory(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** The first bytes of an ELF file; undefined for others, such as linker scripts that are called `libc.so`. */
function readIdentity(path: string): Uint8Array | undefined {
  let fd: number;
  try {
    // Opening a named pipe would wait for a writer.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return undefined;
  }
  try {
    const bytes = new Uint8Array(IDENTITY);
    const count = readSync(fd, bytes, 0, IDENTITY, 0);
    const magic = bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
    return count === IDENTITY && magic ? bytes : undefined;
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}

/** Same class, byte order and machine. */
function sameMachine(file: Uint8Array, own: Uint8Array | undefined): boolean {
  if (own === undefined) return true;
  return [4, 5, 18, 19].every((at) => file[at] === own[at]);
}
