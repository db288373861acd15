/**
 * Folders and names in BPF file systems, where pins are.
 *
 * Mounts nothing; a path elsewhere is an error that names the command.
 *
 * @module
 */

import { mkdirSync, statfsSync, unlinkSync } from "node:fs";
import { basename, dirname } from "node:path";
import { BpfError, SyscallError } from "../error.ts";
import { shown } from "../options.ts";

/** `BPF_FS_MAGIC` of `include/uapi/linux/magic.h`. */
const BPF_FS_MAGIC = 0xcafe4a11;
/** Where libbpf pins by name, and where the file system is mounted by convention. */
export const PIN_FOLDER = "/sys/fs/bpf";
const LONGEST_NAME = 255;

/**
 * Whether `path` is in a BPF file system; undefined when it is not there, or may not be looked at.
 */
export function inBpfFileSystem(path: string): boolean | undefined {
  try {
    // 32 bits that some architectures extend with their sign.
    return statfsSync(path).type >>> 0 === BPF_FS_MAGIC;
  } catch {
    return undefined;
  }
}

/**
 * Sees to it that `folder` is one in which things can be pinned; its last part is made where it is
 * missing, for its owner only. `doing` begins messages.
 *
 * Throws BpfError with code `ERR_NOT_BPFFS` when it is in another file system; SyscallError when it
 * cannot be made.
 */
export function makePinFolder(folder: string, doing: string): void {
  let there = inBpfFileSystem(folder);
  if (there === undefined) {
    // Elsewhere no folder is left behind.
    if (inBpfFileSystem(dirname(folder)) === false) throw notThere(folder, doing);
    try {
      mkdirSync(folder, { mode: 0o700 });
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "EEXIST") throw fileError(error, `${doing}: make the folder ${folder}`, "mkdir");
    }
    there = inBpfFileSystem(folder);
  }
  if (there === false) throw notThere(folder, doing);
}

/** The error of a path that is in no BPF file system. */
export function notThere(path: string, doing: string, cause?: unknown): BpfError {
  return new BpfError(
    `${doing}: ${path} is in no BPF file system; \`mount -t bpf bpf ${PIN_FOLDER}\` mounts one`,
    { code: "ERR_NOT_BPFFS", cause },
  );
}

/** Why a BPF file system cannot have an entry of this name, undefined when it can. */
export function nameObstacle(name: string): string | undefined {
  if (name === "") return "an empty name is none";
  if (name.includes("/")) return `"${name}" has a slash`;
  if (name.includes("\0")) return `${JSON.stringify(name)} has a NUL`;
  // Of the kernel's bpf_lookup: dots are reserved for future use.
  if (name.includes(".")) return `"${name}" has a dot, which names in a BPF file system must not`;
  const bytes = new TextEncoder().encode(name).length;
  return bytes > LONGEST_NAME ? `a name of ${bytes} bytes is too long` : undefined;
}

/** @throws TypeError for what no path can be; `what` is to be pinned there. */
export function requirePinPath(path: unknown, what: string): void {
  if (typeof path === "string" && path !== "" && !path.includes("\0")) return;
  throw new TypeError(`pin ${what}: ${shown(path)} is no path`);
}

/** Removes a pin; what is not there any more is no error. Throws SyscallError. */
export function removePin(path: string, what: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw fileError(error, `remove the pin ${path} of ${what}`, "unlink");
  }
}

/** The error of {@link objectPin} for `what` at `path`, with the reason where it can be told. */
export function explainPin(error: unknown, what: string, path: string): unknown {
  if (!(error instanceof SyscallError) || error.code !== "EPERM") return error;
  const doing = `pin ${what} at ${path}`;
  if (inBpfFileSystem(dirname(path)) === false) return notThere(path, doing, error);
  const reason = nameObstacle(basename(path)) ?? "pinning needs CAP_BPF";
  const { errno, syscall, command } = error;
  return new SyscallError(`${doing}: ${reason}`, { errno, syscall, command, cause: error });
}

function fileError(error: unknown, doing: string, syscall: string): unknown {
  const { errno } = error as NodeJS.ErrnoException;
  if (errno === undefined) return error;
  return new SyscallError(doing, { errno: -errno, syscall, cause: error });
}
