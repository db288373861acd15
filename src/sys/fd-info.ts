/**
 * What `/proc` says of a descriptor: what kind of object it stands for, and what the kernel's
 * `show_fdinfo` of that kind prints. Where `/proc` is not mounted, nothing.
 *
 * @module
 */

import { readFileSync, readlinkSync } from "node:fs";
import type { FileDescriptor } from "./fd.ts";
import { fileError } from "./file.ts";

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
    // Such as EMFILE.
    throw fileError(error, `ask /proc about ${fd.what}`);
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
    // Such as EMFILE.
    throw fileError(error, `ask /proc about ${fd.what}`);
  }
}

function isAbsent(error: unknown): boolean {
  return /^(ENOENT|EACCES|ENOTDIR)$/.test(String((error as NodeJS.ErrnoException).code));
}
