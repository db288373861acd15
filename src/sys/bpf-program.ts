/**
 * bpf(2) commands that load programs, and give them maps. Running them is in `program-run.ts`.
 *
 * A refused program is a result, not an error: its caller reads the verifier's log and decides.
 *
 * @module
 */

import { cstring } from "../bytes.ts";
import { callAsync } from "./async.ts";
import { BpfCommand, PROG_BIND_MAP, PROG_LOAD, PROG_STREAM_READ } from "./attr.ts";
import { bpfCall, bpfCheck } from "./bpf-call.ts";
import { TOKEN_FD } from "./bpf-map.ts";
import { FileDescriptor } from "./fd.ts";
import { native } from "./ffi.ts";
import { withMemlock, withMemlockAsync } from "./memlock.ts";
import { Struct } from "./struct.ts";

const EAGAIN = 11;
/**
 * The verifier gives up with EAGAIN when a signal is pending, which a profiler's timer can repeat:
 * not for ever. (Libbpf tries five times.)
 */
export const LOAD_ATTEMPTS = 30;
const SLOT = 8;

/** What `BPF_PROG_LOAD` takes. */
export interface ProgramLoadAttributes {
  readonly type: number;
  readonly expectedAttachType?: number | undefined;
  /** Cut to 15 bytes; letters, digits, `_` and `.` only, or the kernel refuses. Linux 4.15. */
  readonly name?: string | undefined;
  readonly license: string;
  /** `LINUX_VERSION_CODE`, which kernels before 5.0 compare for kprobes. */
  readonly kernelVersion?: number | undefined;
  readonly flags?: number | undefined;
  /** Slots of 8 bytes in the host's byte order. */
  readonly instructions: Uint8Array;
  readonly btf?: FileDescriptor | undefined;
  /** `struct bpf_func_info` records; `insn_off` counts slots. */
  readonly functionInfo?: Uint8Array | undefined;
  readonly functionInfoRecordSize?: number | undefined;
  /** `struct bpf_line_info` records; `insn_off` counts slots. */
  readonly lineInfo?: Uint8Array | undefined;
  readonly lineInfoRecordSize?: number | undefined;
  readonly attachBtfId?: number | undefined;
  /** The module's BTF that `attachBtfId` is an id of; vmlinux without it. Linux 5.11. */
  readonly attachBtf?: FileDescriptor | undefined;
  /** The program that this one extends or traces. */
  readonly attachProgram?: FileDescriptor | undefined;
  readonly ifindex?: number | undefined;
  /** Descriptors of maps and module BTFs that instructions refer to by index. Linux 5.14. */
  readonly fdArray?: Int32Array | undefined;
  /** Says that all of `fdArray` is maps or BTFs for the program to hold. Linux 6.14. */
  readonly fdArrayCount?: number | undefined;
  /** A BPF token; sets `BPF_F_TOKEN_FD`. Linux 6.9. */
  readonly token?: FileDescriptor | undefined;
  /**
   * Descriptors whose numbers are in `instructions` or `fdArray`; an asynchronous load keeps them
   * open until it ends.
   */
  readonly uses?: readonly FileDescriptor[] | undefined;
}

/** Whether to ask the verifier for its log, and how large a one. */
export interface ProgramLoadLog {
  /** 1 is the path that failed, 2 every path, +4 statistics. */
  readonly level: number;
  /** Bytes. */
  readonly size: number;
}

/** What came of a load: `fd` or `errno`. */
export interface ProgramLoadResult {
  readonly fd?: FileDescriptor;
  /** 0 when the kernel took the program; ENOSPC also when only the log had no room. */
  readonly errno: number;
  readonly log: string;
  /** Bytes that the whole log needs, with the closing NUL. 0 before Linux 6.4. */
  readonly logTrueSize: number;
}

/** Loads a program, blocking the thread while the verifier works. Never throws for an errno. */
export function programLoad(
  attributes: ProgramLoadAttributes,
  log?: ProgramLoadLog,
): ProgramLoadResult {
  const load = prepareLoad(attributes, log);
  const result = withMemlock(() => {
    let result = -EAGAIN;
    for (let attempt = 0; result === -EAGAIN && attempt < LOAD_ATTEMPTS; attempt++) {
      result = bpfCall("PROG_LOAD", load.attr);
    }
    return result;
  });
  return finishLoad(attributes, load, result);
}

/**
 * As {@link programLoad}, with the verifier on another thread. Buffers of `attributes` may change
 * as soon as this returns; descriptors may be closed, and stay valid until the load ends.
 */
export async function programLoadAsync(
  attributes: ProgramLoadAttributes,
  log?: ProgramLoadLog,
): Promise<ProgramLoadResult> {
  const load = prepareLoad(copyBuffers(attributes), log);
  const { btf, attachBtf, attachProgram, token, uses = [] } = attributes;
  const releases = [btf, attachBtf, attachProgram, token, ...uses].map((fd) => fd?.hold());
  const { bpf, bpfNumber } = native();
  let result: number;
  try {
    result = await withMemlockAsync(async () => {
      let result = -EAGAIN;
      for (let attempt = 0; result === -EAGAIN && attempt < LOAD_ATTEMPTS; attempt++) {
        const { address, size } = load.attr;
        result = await callAsync(bpf, bpfNumber, BpfCommand.PROG_LOAD, address, size);
      }
      return result;
    });
  } finally {
    for (const release of releases) release?.();
  }
  return finishLoad(attributes, load, result);
}

interface PreparedLoad {
  readonly attr: Struct<typeof PROG_LOAD>;
  readonly logBytes: Uint8Array | undefined;
}

function prepareLoad(attributes: ProgramLoadAttributes, log?: ProgramLoadLog): PreparedLoad {
  const { instructions, functionInfo, lineInfo, attachBtf, attachProgram, token } = attributes;
  if (instructions.length % SLOT !== 0) {
    throw new RangeError(`${instructions.length} bytes are not whole instructions`);
  }
  const logBytes = log === undefined ? undefined : new Uint8Array(new ArrayBuffer(log.size));
  const attr = new Struct(PROG_LOAD)
    .set("prog_type", attributes.type)
    .set("insn_cnt", instructions.length / SLOT)
    .point("insns", instructions)
    .pointText("license", attributes.license)
    .set("log_level", log?.level)
    .set("log_size", log?.size)
    .point("log_buf", logBytes)
    .set("kern_version", attributes.kernelVersion)
    .set("prog_flags", ((attributes.flags ?? 0) | (token === undefined ? 0 : TOKEN_FD)) >>> 0)
    .text("prog_name", attributes.name)
    .set("prog_ifindex", attributes.ifindex)
    .set("expected_attach_type", attributes.expectedAttachType)
    .set("prog_btf_fd", attributes.btf?.number)
    .set("attach_btf_id", attributes.attachBtfId)
    .set("attach_prog_fd", (attachProgram ?? attachBtf)?.number)
    .point("fd_array", attributes.fdArray)
    .set("fd_array_cnt", attributes.fdArrayCount)
    .set("prog_token_fd", token?.number);
  if (functionInfo !== undefined && functionInfo.length > 0) {
    const size = attributes.functionInfoRecordSize ?? 8;
    attr
      .set("func_info_rec_size", size)
      .set("func_info_cnt", countRecords("function", functionInfo, size))
      .point("func_info", functionInfo);
  }
  if (lineInfo !== undefined && lineInfo.length > 0) {
    const size = attributes.lineInfoRecordSize ?? 16;
    attr
      .set("line_info_rec_size", size)
      .set("line_info_cnt", countRecords("line", lineInfo, size))
      .point("line_info", lineInfo);
  }
  return { attr, logBytes };
}

function countRecords(kind: string, bytes: Uint8Array, size: number): number {
  const count = bytes.length / size;
  if (!Number.isInteger(count)) {
    throw new RangeError(`${bytes.length} bytes of ${kind} information are not records of ${size}`);
  }
  return count;
}

/**
 * The caller may write to its buffers while another thread reads; the kernel must see them as they
 * are now.
 */
function copyBuffers(attributes: ProgramLoadAttributes): ProgramLoadAttributes {
  return {
    ...attributes,
    instructions: attributes.instructions.slice(),
    functionInfo: attributes.functionInfo?.slice(),
    lineInfo: attributes.lineInfo?.slice(),
    fdArray: attributes.fdArray?.slice(),
  };
}

function finishLoad(
  attributes: ProgramLoadAttributes,
  { attr, logBytes }: PreparedLoad,
  result: number,
): ProgramLoadResult {
  const log = logBytes === undefined ? "" : cstring(logBytes);
  const logTrueSize = attr.get("log_true_size");
  if (result < 0) return { errno: -result, log, logTrueSize };
  const fd = new FileDescriptor(result, `program ${attributes.name ?? ""}`.trimEnd());
  return { fd, errno: 0, log, logTrueSize };
}

/**
 * Has a program hold a map that its instructions do not mention. Linux 5.10. Throws SyscallError.
 */
export function programBindMap(program: FileDescriptor, map: FileDescriptor): void {
  const attr = new Struct(PROG_BIND_MAP).set("prog_fd", program.number).set("map_fd", map.number);
  bpfCheck("PROG_BIND_MAP", attr, `bind ${map.what} to ${program.what}`);
}

/**
 * Reads what a program printed; `stream` is 1 for its output and 2 for its errors. Returns the
 * number of bytes, 0 when there is nothing (more). Linux 6.17. Throws SyscallError.
 */
export function programStreamRead(
  program: FileDescriptor,
  stream: number,
  bytes: Uint8Array,
): number {
  const attr = new Struct(PROG_STREAM_READ)
    .set("prog_fd", program.number)
    .set("stream_id", stream)
    .point("stream_buf", bytes)
    .set("stream_buf_len", bytes.length);
  return bpfCheck("PROG_STREAM_READ_BY_FD", attr, `read stream ${stream} of ${program.what}`);
}
