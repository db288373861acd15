/**
 * Programs, maps and links as kinds of objects of the kernel.
 *
 * @module
 */

import { BpfError, SyscallError } from "../error.ts";
import {
  type FileDescriptor,
  linkGetFdById,
  linkGetNextId,
  mapGetFdById,
  mapGetNextId,
  objectGet,
  programGetFdById,
  programGetNextId,
} from "../sys/bpf.ts";
import { inBpfFileSystem, notThere } from "../sys/bpf-file-system.ts";
import { objectKind } from "../sys/fd-info.ts";
import { MapFlags } from "../uapi.ts";
import type { ObjectKind } from "./kernel-objects.ts";

/** Programs. */
export const PROGRAMS: ObjectKind = {
  name: "program",
  next: programGetNextId,
  open: (id) => programGetFdById(id),
  pinned: (path) => openPin(path, "program"),
};

/** Maps: a map that may only be written can be looked at as well. */
export const MAPS: ObjectKind = {
  name: "map",
  next: mapGetNextId,
  open: (id) => readable((flags) => mapGetFdById(id, `map ${id}`, flags)),
  pinned: (path) => readable((flags) => openPin(path, "map", flags)),
};

/** Links. */
export const LINKS: ObjectKind = {
  name: "link",
  next: linkGetNextId,
  open: (id) => linkGetFdById(id),
  pinned: (path) => openPin(path, "link"),
};

function openPin(path: string, kind: "program" | "map" | "link", flags = 0): FileDescriptor {
  let fd: FileDescriptor;
  try {
    fd = objectGet(path, flags);
  } catch (error) {
    if (error instanceof SyscallError && inBpfFileSystem(path) === false) {
      throw notThere(path, `open the pin ${path}`, error);
    }
    throw error;
  }
  const found = objectKind(fd);
  if (found === undefined || found === kind) return fd;
  fd.close();
  throw new BpfError(`open the pin ${path} as a ${kind}: it is a ${found}`, { code: "EINVAL" });
}

/** Opens a map for reading, and where its flags forbid that for writing, which is enough to ask about it. */
function readable(open: (flags: number) => FileDescriptor): FileDescriptor {
  try {
    return open(MapFlags.RDONLY);
  } catch (error) {
    const refused =
      error instanceof SyscallError && (error.code === "EPERM" || error.code === "EACCES");
    if (!refused) throw error;
    try {
      return open(MapFlags.WRONLY);
    } catch {
      throw error;
    }
  }
}
