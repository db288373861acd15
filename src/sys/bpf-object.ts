/**
 * bpf(2) commands that programs, maps, links and BTF share: pins, ids, information; and statistics
 * and tokens.
 *
 * @module
 */

import { readdirSync } from "node:fs";
import { cstring, hostLittleEndian, viewOf } from "../bytes.ts";
import { SyscallError } from "../error.ts";
import {
  type BpfCommandName,
  ENABLE_STATS,
  GET_ID,
  OBJ,
  OBJ_INFO,
  TASK_FD_QUERY,
  TOKEN_CREATE,
} from "./attr.ts";
import { bpfCall, bpfCheck, bpfError, bpfOpen } from "./bpf-call.ts";
import { FileDescriptor } from "./fd.ts";
import { native } from "./ffi.ts";
import { Struct } from "./struct.ts";
import { outsideHint } from "./user-namespace.ts";

const EPERM = 1;
const ENOENT = 2;
/** Pins of a folder that a message names. */
const MOST_NAMES = 4;

/** Pins a program, map or link at a path in a BPF file system. Throws SyscallError. */
export function objectPin(object: FileDescriptor, path: string): void {
  const attr = new Struct(OBJ).pointText("pathname", path).set("bpf_fd", object.number);
  bpfCheck("OBJ_PIN", attr, `pin ${object.what} at ${path}`);
}

/**
 * Opens what is pinned at a path. `flags` may be `BPF_F_RDONLY` (0x8) or `BPF_F_WRONLY` (0x10) for
 * a map. Throws SyscallError.
 */
export function objectGet(path: string, flags = 0, what = `pin ${path}`): FileDescriptor {
  const attr = new Struct(OBJ).pointText("pathname", path).set("file_flags", flags);
  try {
    return bpfOpen("OBJ_GET", attr, `open the pin ${path}`, what);
  } catch (error) {
    throw explainFolder(error, path);
  }
}

/** To the kernel a folder is a pin that nobody may open. */
function explainFolder(error: unknown, path: string): unknown {
  if (!(error instanceof SyscallError) || error.code !== "EACCES") return error;
  let names: string[];
  try {
    names = readdirSync(path);
  } catch {
    return error;
  }
  const rest = names.length > MOST_NAMES ? ", …" : "";
  const there = names.length === 0 ? "is empty" : `has ${names.slice(0, MOST_NAMES).join(", ")}`;
  return new SyscallError(`open the pin ${path}: that is a folder, which ${there}${rest}`, {
    errno: error.errno,
    syscall: error.syscall,
    command: error.command,
    cause: error,
  });
}

/** The lowest program id above `id`, or `undefined` after the last one. Throws SyscallError. */
export function programGetNextId(id: number): number | undefined {
  return nextId("PROG_GET_NEXT_ID", id, "programs");
}

/** The lowest map id above `id`, or `undefined` after the last one. Throws SyscallError. */
export function mapGetNextId(id: number): number | undefined {
  return nextId("MAP_GET_NEXT_ID", id, "maps");
}

/**
 * The lowest BTF id above `id`, or `undefined` after the last one. Linux 5.4. Throws SyscallError.
 */
export function btfGetNextId(id: number): number | undefined {
  return nextId("BTF_GET_NEXT_ID", id, "BTF objects");
}

/**
 * The lowest link id above `id`, or `undefined` after the last one. Linux 5.8. Throws SyscallError.
 */
export function linkGetNextId(id: number): number | undefined {
  return nextId("LINK_GET_NEXT_ID", id, "links");
}

/** Opens a program by its id. Throws SyscallError, with code `ENOENT` when there is none. */
export function programGetFdById(id: number, what = `program ${id}`): FileDescriptor {
  return byId("PROG_GET_FD_BY_ID", id, 0, what);
}

/**
 * Opens a map by its id; `flags` as for {@link objectGet}. Throws SyscallError, with code `ENOENT`
 * when there is none.
 */
export function mapGetFdById(id: number, what = `map ${id}`, flags = 0): FileDescriptor {
  return byId("MAP_GET_FD_BY_ID", id, flags, what);
}

/** Opens a BTF object by its id. Throws SyscallError, with code `ENOENT` when there is none. */
export function btfGetFdById(id: number, what = `BTF ${id}`): FileDescriptor {
  return byId("BTF_GET_FD_BY_ID", id, 0, what);
}

/**
 * Opens a link by its id. Linux 5.8. Throws SyscallError, with code `ENOENT` when there is none.
 */
export function linkGetFdById(id: number, what = `link ${id}`): FileDescriptor {
  return byId("LINK_GET_FD_BY_ID", id, 0, what);
}

/**
 * Writes `struct bpf_prog_info`, `bpf_map_info`, `bpf_btf_info` or `bpf_link_info` into `info` and
 * returns how many of its bytes the kernel knows. Counts that the caller set before are read;
 * `pointers` gives, by byte offset in `info`, the arrays that pointer members name, which read as
 * zero again afterwards. Throws SyscallError.
 */
export function objectInfo(
  object: FileDescriptor,
  info: Uint8Array,
  pointers: Readonly<Record<number, ArrayBufferView>> = {},
): number {
  // The caller's bytes might begin inside V8's heap, or at an odd address: the kernel gets a copy
  // of its own.
  const block = new Uint8Array(new ArrayBuffer(info.length));
  block.set(info);
  const view = viewOf(block);
  for (const [offset, target] of Object.entries(pointers)) {
    const address = target.byteLength === 0 ? 0 : native().address(target);
    view.setBigUint64(Number(offset), BigInt(address), hostLittleEndian);
  }
  const attr = new Struct(OBJ_INFO)
    .set("bpf_fd", object.number)
    .set("info_len", block.length)
    .point("info", block);
  attr.keep(pointers);
  bpfCheck("OBJ_GET_INFO_BY_FD", attr, `ask for information about ${object.what}`);
  for (const offset of Object.keys(pointers))
    view.setBigUint64(Number(offset), 0n, hostLittleEndian);
  info.set(block);
  return attr.get("info_len");
}

/** What a perf or probe descriptor of a process is about, as `BPF_TASK_FD_QUERY` tells. */
export interface TaskFdInfo {
  readonly programId: number;
  /** `enum bpf_task_fd_type`. */
  readonly type: number;
  /** Tracepoint name, symbol or file; empty when the kernel gives none. */
  readonly name: string;
  readonly offset: bigint;
  readonly address: bigint;
}

/**
 * Asks what descriptor `fd` of process `pid` (0 for this one) runs. Linux 4.18. Throws
 * SyscallError.
 */
export function taskFdQuery(fd: FileDescriptor, pid: number = process.pid): TaskFdInfo {
  const name = new Uint8Array(new ArrayBuffer(4096));
  const attr = new Struct(TASK_FD_QUERY)
    .set("pid", pid)
    .set("fd", fd.number)
    .set("buf_len", name.length)
    .point("buf", name);
  bpfCheck("TASK_FD_QUERY", attr, `ask what ${fd.what} runs`);
  return {
    programId: attr.get("prog_id"),
    type: attr.get("fd_type"),
    name: cstring(name),
    offset: attr.get64("probe_offset"),
    address: attr.get64("probe_addr"),
  };
}

/**
 * Has the kernel count runs and time of programs until the descriptor is closed. Linux 5.8. Throws
 * SyscallError.
 */
export function enableStats(type = 0): FileDescriptor {
  const attr = new Struct(ENABLE_STATS).set("type", type);
  return bpfOpen("ENABLE_STATS", attr, "enable program statistics", "program statistics");
}

/**
 * Makes a token from a BPF file system that was mounted with delegation. Linux 6.9. Throws
 * SyscallError.
 */
export function tokenCreate(fileSystem: FileDescriptor): FileDescriptor {
  const attr = new Struct(TOKEN_CREATE).set("bpffs_fd", fileSystem.number);
  const what = `token of ${fileSystem.what}`;
  return bpfOpen("TOKEN_CREATE", attr, `create ${what}`, what);
}

function nextId(command: BpfCommandName, id: number, of: string): number | undefined {
  const attr = new Struct(GET_ID).set("start_id", id);
  const result = bpfCall(command, attr);
  if (result === -ENOENT) return undefined;
  // As for opening them by id.
  const needs = result === -EPERM ? ` (it needs CAP_SYS_ADMIN${outsideHint()})` : "";
  if (result < 0) throw bpfError(command, -result, `list ${of} after id ${id}${needs}`);
  return attr.get("next_id");
}

function byId(command: BpfCommandName, id: number, flags: number, what: string): FileDescriptor {
  const attr = new Struct(GET_ID).set("start_id", id).set("open_flags", flags);
  const doing = `open ${what} by id ${id}`;
  const result = bpfCall(command, attr);
  // Unlike most of bpf(2), CAP_BPF is not enough: ids reach what other users loaded.
  if (result === -EPERM)
    throw bpfError(command, EPERM, `${doing} (it needs CAP_SYS_ADMIN${outsideHint()})`);
  if (result < 0) throw bpfError(command, -result, doing);
  return new FileDescriptor(result, what);
}
