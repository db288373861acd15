/**
 * Where the kernel's own file systems are mounted: tracefs, bpf, cgroup2.
 *
 * Mounts nothing; a missing mount is an error that names the command.
 *
 * @module
 */

import { readFileSync, statSync } from "node:fs";
import { UnsupportedError } from "../error.ts";

/** One line of `/proc/self/mountinfo`. */
export interface Mount {
  /** Path within the file system that is mounted here; `/` but for bind mounts. */
  readonly root: string;
  readonly path: string;
  readonly type: string;
}

const found = new Map<string, string>();

/**
 * The root of tracefs, such as `/sys/kernel/tracing`. Throws UnsupportedError with feature
 * `tracefs` where it is not mounted, neither on its own nor inside debugfs. `mountInfo` stands in
 * for `/proc/self/mountinfo` in tests.
 */
export function tracefs(mountInfo?: string): string {
  return locate(
    "tracefs",
    (mounts) => findTracefs(mounts),
    "mount -t tracefs tracefs /sys/kernel/tracing",
    mountInfo,
  );
}

/**
 * The first mounted BPF file system, such as `/sys/fs/bpf`. Throws UnsupportedError with feature
 * `bpffs`.
 */
export function bpffs(): string {
  return locate("bpffs", (mounts) => findType(mounts, "bpf"), "mount -t bpf bpf /sys/fs/bpf");
}

/**
 * The root of the cgroup version 2 tree, such as `/sys/fs/cgroup`. Throws UnsupportedError with
 * feature `cgroup2`.
 */
export function cgroup2(): string {
  const command = "mount -t cgroup2 none /sys/fs/cgroup";
  return locate("cgroup2", (mounts) => findType(mounts, "cgroup2"), command);
}

/**
 * The mounts of a text in the format of `/proc/self/mountinfo`
 * (`Documentation/filesystems/proc.rst`).
 */
export function parseMountInfo(text: string): Mount[] {
  const mounts: Mount[] = [];
  for (const line of text.split("\n")) {
    const fields = line.split(" ");
    // Optional fields without number end with a lone dash, after which comes the type.
    const dash = fields.indexOf("-", 6);
    const [root, path, type] = [fields[3], fields[4], fields[dash + 1]];
    if (dash === -1 || root === undefined || path === undefined || type === undefined) continue;
    mounts.push({ root: unescapePath(root), path: unescapePath(path), type });
  }
  return mounts;
}

/** The root of tracefs among `mounts`; `exists` tells whether a path is there. */
export function findTracefs(
  mounts: readonly Mount[],
  exists: (path: string) => boolean = isThere,
): string | undefined {
  // A mount can be covered by a later one, so the directory decides; the usual place first, for it
  // is what users know.
  const paths = [
    ...mounts.filter((mount) => mount.type === "tracefs" && mount.root === "/"),
    ...mounts.filter((mount) => mount.type === "debugfs" && mount.root === "/"),
  ].map((mount) => (mount.type === "tracefs" ? mount.path : `${mount.path}/tracing`));
  const usual = "/sys/kernel/tracing";
  if (paths.includes(usual)) paths.unshift(usual);
  return paths.find((path) => exists(`${path}/events`));
}

function findType(mounts: readonly Mount[], type: string): string | undefined {
  return mounts.find((mount) => mount.type === type && mount.root === "/" && isThere(mount.path))
    ?.path;
}

type Finder = (mounts: readonly Mount[]) => string | undefined;

/** What `find` finds, kept while it is there. */
function locate(feature: string, find: Finder, command: string, mountInfo?: string): string {
  const known = mountInfo === undefined ? found.get(feature) : undefined;
  if (known !== undefined && isThere(feature === "tracefs" ? `${known}/events` : known)) {
    return known;
  }
  const path = find(parseMountInfo(mountInfo ?? readMountInfo(feature)));
  if (path === undefined) {
    throw new UnsupportedError(`find ${feature}: it is not mounted; \`${command}\` mounts it`, {
      feature,
    });
  }
  if (mountInfo === undefined) found.set(feature, path);
  return path;
}

function readMountInfo(feature: string): string {
  try {
    return readFileSync("/proc/self/mountinfo", "utf8");
  } catch (cause) {
    throw new UnsupportedError(
      `find ${feature}: /proc/self/mountinfo cannot be read, which lists what is mounted`,
      { feature, cause },
    );
  }
}

/**
 * Whether something is there. What may not be looked at is there: the error that names the
 * privilege comes later.
 */
function isThere(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EACCES";
  }
}

/** Space, tab, newline and backslash are written as octal numbers. */
function unescapePath(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
}
