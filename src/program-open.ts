/**
 * Opening programs that exist already: pinned in a BPF file system, or by their number in the kernel.
 *
 * @module
 */

import { basename } from "node:path";
import { BpfError, SyscallError } from "./error.ts";
import { checkOptions } from "./options.ts";
import { Program } from "./program.ts";
import { programInfo } from "./program-info.ts";
import { objectGet, programGetFdById } from "./sys/bpf.ts";
import { inBpfFileSystem, notThere } from "./sys/bpf-file-system.ts";
import type { FileDescriptor } from "./sys/fd.ts";
import { objectKind } from "./sys/fd-info.ts";

/** A path in a BPF file system, or the number of a program. */
export type ProgramSource = string | number | { readonly path: string } | { readonly id: number };

/** What the kernel does not tell of a program, and links want to know. */
export interface OpenProgramOptions {
  /** Default: the kernel's name, of 15 bytes at most, or the end of the path. */
  name?: string;
  /** `AttachType` that it was loaded for. Default 0. */
  attachType?: number;
  /** What it is to be attached to, as in the section of an object. Default: nothing. */
  attachTo?: string;
}

/**
 * Opens a program that is pinned, or by its number. Linux 4.4, by number 4.13.
 *
 * @throws SyscallError, with code `ENOENT` when there is none, `EPERM` without the privilege, CAP_SYS_ADMIN for numbers; BpfError
 * with code `ERR_NOT_A_PROGRAM` when a map or link is pinned there, `ERR_NOT_BPFFS` when the path is a file elsewhere.
 */
export function openProgram(source: ProgramSource, options: OpenProgramOptions = {}): Program {
  checkOptions("open a program", options, ["name", "attachType", "attachTo"]);
  const place = placeOf(source);
  const where = typeof place === "string" ? `the pin ${place}` : `program ${place}`;
  const fd = open(place);
  try {
    const kind = objectKind(fd);
    if (kind !== undefined && kind !== "program") {
      throw new BpfError(`open ${where} as a program: it is a ${kind}`, {
        code: "ERR_NOT_A_PROGRAM",
      });
    }
    const { type, name } = programInfo(fd);
    const known = name || (typeof place === "string" ? basename(place) : String(place));
    const { attachType, attachTo } = options;
    const program = new Program(fd, {
      name: options.name ?? known,
      type,
      ...(attachType === undefined ? {} : { attachType }),
      ...(attachTo === undefined ? {} : { attachTo }),
    });
    if (typeof place === "string") program.foundAt(place);
    return program;
  } catch (error) {
    fd.close();
    throw error;
  }
}

function placeOf(source: ProgramSource): string | number {
  let place: unknown = source;
  if (typeof source === "object" && source !== null) {
    place = "path" in source ? source.path : source.id;
  }
  const isPath = typeof place === "string" && place !== "";
  const isId = Number.isInteger(place) && Number(place) > 0 && Number(place) <= 0xffff_ffff;
  if (!isPath && !isId)
    throw new TypeError("open a program: neither a path nor a number from 1 on");
  return place as string | number;
}

function open(place: string | number): FileDescriptor {
  if (typeof place === "number") return programGetFdById(place, `program ${place}`);
  try {
    return objectGet(place, 0, `program at ${place}`);
  } catch (error) {
    if (error instanceof SyscallError && inBpfFileSystem(place) === false) {
      throw notThere(place, `open the pin ${place}`, error);
    }
    throw error;
  }
}
