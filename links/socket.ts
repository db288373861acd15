/**
 * Attaches programs to single sockets: filters of what they receive, and the choice among sockets that share a port.
 *
 * The socket is another's: no descriptor of it is kept, which would keep its connection open.
 *
 * @module
 */

import { fstatSync } from "node:fs";
import { shown } from "../src/options.ts";
import { SocketOption, setSocketOption } from "../src/sys/socket.ts";
import { TargetError } from "../src/target-error.ts";
import { ProgramType } from "../src/uapi.ts";
import { type AttachableProgram, requireType } from "./arguments.ts";
import { explain, networkPrivileges } from "./explain.ts";
import { failedWith } from "./kernel-calls.ts";
import { Link } from "./link.ts";

/** The number of a socket's descriptor, or what holds it in `fd`, as the handles of Node's sockets do. */
export type SocketTarget = number | { readonly fd: number };

/**
 * Attaches a program of type socket_filter to a socket, Linux 3.19: it sees each packet that the socket would receive, and returns how
 * many bytes of it are let through, 0 for none. Another program takes its place; the socket's end is the end of it.
 *
 * @throws TargetError for what is no open socket; SyscallError such as EPERM where the socket's filter is locked; TypeError for a
 * program of another type.
 */
export function socketFilter(program: AttachableProgram, socket: SocketTarget): Link {
  requireType(program, [ProgramType.SOCKET_FILTER], "socket");
  const { ATTACH_BPF, DETACH_BPF } = SocketOption;
  return attach("socket", program, socket, ATTACH_BPF, DETACH_BPF, [ProgramType.SOCKET_FILTER]);
}

/**
 * Attaches a program of type sk_reuseport (Linux 4.19) or socket_filter (4.5) to the group of sockets that share the port of this one
 * (`SO_REUSEPORT`): it chooses which of them gets a connection or datagram, a socket_filter program by returning its number.
 *
 * @throws TargetError for what is no open socket; SyscallError such as EINVAL for a socket without `SO_REUSEPORT`; TypeError for a
 * program of another type.
 */
export function reuseport(program: AttachableProgram, socket: SocketTarget): Link {
  const types = [ProgramType.SK_REUSEPORT, ProgramType.SOCKET_FILTER];
  requireType(program, types, "group of sockets");
  const { ATTACH_REUSEPORT_EBPF, DETACH_REUSEPORT_BPF } = SocketOption;
  return attach(
    "sk_reuseport",
    program,
    socket,
    ATTACH_REUSEPORT_EBPF,
    DETACH_REUSEPORT_BPF,
    types,
  );
}

function attach(
  kind: "socket" | "sk_reuseport",
  program: AttachableProgram,
  socket: SocketTarget,
  option: number,
  detachOption: number,
  types: readonly number[],
): Link {
  const number = typeof socket === "object" && socket !== null ? socket.fd : socket;
  const target =
    kind === "socket"
      ? `socket ${shown(number)}`
      : `sockets that share the port of ${shown(number)}`;
  const description = `${program.name} to ${target}`;
  const inode = socketInode(number, `cannot attach program ${description}`);
  const set = (next: AttachableProgram): void => {
    try {
      setSocketOption(number, option, next.fd.number, `attach to ${target}`);
    } catch (error) {
      throw explain(error, `cannot attach program ${next.name} to ${target}`, {
        EPERM: () => `the filter of the socket is locked, or ${networkPrivileges()}`,
        EINVAL:
          "the socket does not share its port (SO_REUSEPORT before bind), or is of another kind than the program takes",
        ENOMEM:
          "the kernel's limit of memory for options of sockets (net.core.optmem_max) is reached",
      });
    }
  };
  // Something must be open for the link to be; the socket itself must not.
  const fd = program.fd.duplicate();
  try {
    set(program);
  } catch (error) {
    fd.close();
    throw error;
  }
  return new Link({
    kind,
    description,
    fd,
    isKernelLink: false,
    outlivesProcess: false,
    types,
    manual: {
      detach(): void {
        // The number may be that of another file by now; the socket took its program along.
        if (inodeOf(number) !== inode) return;
        try {
          setSocketOption(number, detachOption, 0, `detach from ${target}`);
        } catch (error) {
          if (!failedWith(error, "ENOENT")) throw error;
        }
      },
      replace(next, expected): void {
        if (expected !== undefined) {
          throw new TypeError(`cannot replace the program of ${target}: none can be expected`);
        }
        socketInode(number, `cannot attach program ${next.name} to ${target}`, inode);
        set(next);
      },
    },
  });
}

/** @throws TargetError when the descriptor is of no socket, or of another one than before. */
function socketInode(number: number, doing: string, expected?: bigint): bigint {
  const inode = Number.isInteger(number) && number >= 0 ? inodeOf(number) : undefined;
  if (inode === undefined || (expected !== undefined && inode !== expected)) {
    throw new TargetError(
      `${doing}: ${shown(number)} is not the descriptor of an open socket${expected === undefined ? "" : ", or of another one by now"}`,
      { code: "ERR_TARGET", target: String(number) },
    );
  }
  return inode;
}

function inodeOf(number: number): bigint | undefined {
  try {
    const status = fstatSync(number, { bigint: true });
    return status.isSocket() ? status.ino : undefined;
  } catch {
    return undefined;
  }
}
