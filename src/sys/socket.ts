/**
 * BPF programs of sockets that other code owns, by setsockopt(2). It opens and closes no socket.
 *
 * @module
 */

import { hostLittleEndian, viewOf } from "../bytes.ts";
import { SyscallError } from "../error.ts";
import { native } from "./ffi.ts";
import { addressOf, keepDuring } from "./struct.ts";

const SOL_SOCKET = 1;

/** Options of include/uapi/asm-generic/socket.h, which x86-64, arm64, riscv64 and loong64 share. */
export const SocketOption = {
  /** `SO_DETACH_BPF`; its value is not read. */
  DETACH_BPF: 27,
  ATTACH_BPF: 50,
  ATTACH_REUSEPORT_EBPF: 52,
  /** Linux 5.3; its value is not read. */
  DETACH_REUSEPORT_BPF: 68,
} as const;

/** Sets an option of level `SOL_SOCKET` to a number. Throws SyscallError. */
export function setSocketOption(
  socket: number,
  option: number,
  value: number,
  doing: string,
): void {
  const bytes = new Uint8Array(new ArrayBuffer(4));
  viewOf(bytes).setInt32(0, value, hostLittleEndian);
  const { setsockopt, errno } = native();
  const failure = keepDuring(bytes, () =>
    setsockopt(socket, SOL_SOCKET, option, addressOf(bytes), bytes.length) === -1 ? errno() : 0,
  );
  if (failure !== 0) throw new SyscallError(doing, { errno: failure, syscall: "setsockopt" });
}
