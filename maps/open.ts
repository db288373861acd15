/**
 * Maps that exist already, found by a pin or by number, with the types that the kernel has of them.
 *
 * @module
 */

import { basename } from "node:path";
import { BpfError, SyscallError } from "../src/error.ts";
import { checkOptions } from "../src/options.ts";
import type { MapSpec } from "../src/spec/types.ts";
import { mapGetFdById, objectGet } from "../src/sys/bpf.ts";
import { inBpfFileSystem, notThere } from "../src/sys/bpf-file-system.ts";
import { btfById } from "../src/sys/btf-by-id.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { objectKind } from "../src/sys/fd-info.ts";
import { MapFlags } from "../src/uapi.ts";
import { requireCompatible } from "./compatible.ts";
import { type HandleOptions, type HandleSpec, handleOf } from "./handle.ts";
import { type MapInfo, mapInfo } from "./info.ts";
import { type BpfMap, type MapAccessMode, requirePath } from "./map.ts";

/** Where a map is found. */
export type MapSource = string | { path: string } | { id: number };

/** How a map that exists is opened. */
export interface OpenOptions extends HandleOptions {
  /**
   * What system calls may do through the handle: the kernel refuses the rest with `EPERM`, and a
   * pin that the process may only read needs `read`. Default `read-write`.
   */
  mode?: MapAccessMode | undefined;
  /**
   * The map that it must be like, of an object; it gives the types too, also those that the kernel
   * is not told, such as the events of a ring buffer.
   */
  spec?: MapSpec | undefined;
  /** Keys and values as bytes: the kernel is not asked for types. Default false. */
  raw?: boolean | undefined;
}

const NO_PLACE = "open a map: neither a path nor { path } nor { id: number }";
const OPTIONS = ["int64", "mode", "raw", "spec"] as const;
const MODES: Readonly<Record<MapAccessMode, number>> = {
  "read-write": 0,
  read: MapFlags.RDONLY,
  write: MapFlags.WRONLY,
};
const ONLY: Readonly<Record<MapAccessMode, string>> = {
  "read-write": "",
  read: ", opened for reading only",
  write: ", opened for writing only",
};

/**
 * Opens the map that is pinned at a path, or has a number ({@link BpfMap.id}). The handle has the
 * class of the map's type; keys and values have the types of the kernel's BTF, and are bytes where
 * the map was created without. Opening by number needs CAP_SYS_ADMIN, and so do the types. Linux
 * 4.13.
 *
 * @throws SyscallError with code `ENOENT` when there is none, `EACCES` when the pin may not be
 *   opened so, `EPERM` without the privilege; BpfError with code `ERR_NOT_A_MAP` when something
 *   else is pinned there, `ERR_NOT_BPFFS` when the path is a file elsewhere; IncompatibleMapError
 *   when it is unlike `spec`.
 */
export function openMap(source: MapSource, options: OpenOptions = {}): BpfMap {
  checkOptions("open a map", options, OPTIONS);
  const { int64, mode = "read-write", raw, spec } = options;
  if (!Object.hasOwn(MODES, mode)) {
    throw new TypeError(
      `open a map: mode is ${JSON.stringify(mode)}, not "read-write", "read" or "write"`,
    );
  }
  if (spec !== undefined && (typeof spec !== "object" || spec === null)) {
    throw new TypeError(`open a map: spec is ${String(spec)}, not a MapSpec`);
  }
  const place = placeOf(source);
  const where = typeof place === "string" ? `the pin ${place}` : `map ${place}`;
  const fd = open(
    place,
    spec?.name ?? (typeof place === "string" ? `at ${place}` : String(place)),
    mode,
  );
  try {
    requireMap(fd, where);
    const info = mapInfo(fd);
    if (spec !== undefined) {
      const remedy =
        typeof place === "string"
          ? "remove the pin, or make the object's map like it"
          : "make the object's map like it";
      requireCompatible(spec, info, `use ${where} as map ${spec.name}`, remedy);
    }
    const name = spec?.name ?? nameOf(info, place);
    const types = raw === true ? undefined : (spec ?? typesOf(info, name));
    const map = handleOf(fd, { ...info, name, mode }, types, { int64 });
    if (typeof place === "string") map.foundAt(place);
    return map;
  } catch (error) {
    fd.close();
    throw error;
  }
}

function placeOf(source: MapSource): string | number {
  if (typeof source === "string") return requirePath("open a map", source);
  if (typeof source !== "object" || source === null) throw new TypeError(NO_PLACE);
  if ("path" in source) {
    if (typeof source.path === "string") return requirePath("open a map", source.path);
  } else if (Number.isInteger(source.id) && source.id > 0 && source.id <= 0xffff_ffff) {
    return source.id;
  }
  throw new TypeError(NO_PLACE);
}

function open(place: string | number, name: string, mode: MapAccessMode): FileDescriptor {
  const what = `map ${name}${ONLY[mode]}`;
  if (typeof place === "number") return mapGetFdById(place, what, MODES[mode]);
  try {
    return objectGet(place, MODES[mode], what);
  } catch (error) {
    if (error instanceof SyscallError && inBpfFileSystem(place) === false) {
      throw notThere(place, `open the pin ${place}`, error);
    }
    if ((error as BpfError).code === "EINVAL" && mode !== "read-write") requireMapAt(place, error);
    throw error;
  }
}

/** Programs and links cannot be opened for reading or for writing only, which says too little. */
function requireMapAt(path: string, cause: unknown): void {
  let fd: FileDescriptor;
  try {
    fd = objectGet(path, 0);
  } catch {
    return;
  }
  try {
    requireMap(fd, `the pin ${path}`, cause);
  } finally {
    fd.close();
  }
}

function requireMap(fd: FileDescriptor, where: string, cause?: unknown): void {
  const kind = objectKind(fd);
  if (kind === undefined || kind === "map") return;
  throw new BpfError(`open ${where} as a map: it is a ${kind}`, { code: "ERR_NOT_A_MAP", cause });
}

function nameOf({ name, id }: MapInfo, place: string | number): string {
  if (name !== "") return name;
  return typeof place === "string" ? basename(place) : String(id);
}

function typesOf(info: MapInfo, name: string): HandleSpec | undefined {
  const { btfId, keyType, valueType } = info;
  if (btfId === 0 || (keyType === 0 && valueType === 0)) return undefined;
  try {
    return { keyType, valueType, btf: btfById(btfId), inner: undefined };
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    const { errno, syscall, command } = error;
    throw new SyscallError(
      `read the types of map ${name}, which needs CAP_SYS_ADMIN; with raw: true it is opened on bytes`,
      { errno, syscall, command, cause: error },
    );
  }
}
