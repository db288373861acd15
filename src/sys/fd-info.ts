/**
 * What `/proc` says of a descriptor: what kind of object it stands for, and what the kernel's
 * `show_fdinfo` of that kind prints. Where `/proc` is not mounted, nothing.
 *
 * @module
 */

import { readFileSync, readlinkSync } from "node:fs";
import { SyscallError } from "../error.ts";
import type { FileDescriptor } from "./fd.ts";

/** The kinds of BPF objects that a path or a number may stand for. */
export type ObjectKind = "map" | "program" | "link";

const KINDS: Readonly<Record<string, ObjectKind>> = {
  "bpf-map": "map",
  "bpf-prog": "program",
  "bpf-link": "link",
  bpf_link: "link",
};

/** What the descriptor stands for; undefined for anything else, and where that cannot be told. */
export function objectKind(fd: FileDescriptor): ObjectKind | undefined {
  try {
    const target = readlinkSync(`/proc/self/fd/${fd.number}`);
    const name = /^anon_inode:\[?([\w-]+)\]?$/.exec(target)?.[1];
    return name === undefined ? undefined : KINDS[name];
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw failure(error, fd);
  }
}

/** The lines of `/proc/self/fdinfo` of a descriptor, by their names. */
export function descriptorInfo(fd: FileDescriptor): ReadonlyMap<string, string> {
  try {
    const text = readFileSync(`/proc/self/fdinfo/${fd.number}`, "utf8");
    return new Map(
      [...text.matchAll(/^(\w+):[ \t]*(.*)$/gm)].map(([, name = "", value = ""]) => [name, value]),
    );
  } catch (error) {
    if (isAbsent(error)) return new Map();
    throw failure(error, fd);
  }
}

/** Such as EMFILE. */
function failure(cause: unknown, fd: FileDescriptor): unknown {
  const { errno, syscall = "open" } = cause as NodeJS.ErrnoException;
  if (errno === undefined) return cause;
  const doing = `ask /proc about ${fd.what}`;
  return new SyscallError(doing, { errno: Math.abs(errno), syscall, cause });
}

function isAbsent(error: unknown): boolean {
  return /^(ENOENT|EACCES|ENOTDIR)$/.test(String((error as NodeJS.ErrnoException).code));
}
