/**
 * Attaches programs to maps of sockets, whose messages they then see and redirect: parsers, verdicts and `sk_msg`.
 *
 * @module
 */

import { SyscallError } from "../src/error.ts";
import { checkOptions, shown } from "../src/options.ts";
import { programDetach } from "../src/sys/bpf.ts";
import { FileDescriptor } from "../src/sys/fd.ts";
import { AttachType, MapType, nameOf, ProgramType } from "../src/uapi.ts";
import { type AttachableProgram, requireBooleans, requireType } from "./arguments.ts";
import { type AttachedPrograms, attachedText, queryPrograms } from "./attached.ts";
import { explain, networkPrivileges } from "./explain.ts";
import { failedWith, type KernelCalls, runningKernel } from "./kernel-calls.ts";
import { Link, type ManualAttachment } from "./link.ts";

/** A map of sockets; every `SocketMap` fits. */
export interface SocketMapTarget {
  readonly name: string;
  /** `MapType`. */
  readonly type: number;
  /** @internal */
  readonly fd: FileDescriptor;
}

/** How to attach to a map of sockets. */
export interface SockmapOptions {
  /** What to attach as. Default: what the program was loaded for, as section `sk_skb/stream_parser` says. */
  as?: "stream_parser" | "stream_verdict" | "verdict" | "msg_verdict";
  /** False attaches without a link. Default: through a link (Linux 6.10), without where there are none. */
  link?: boolean;
}

const EBUSY = 16;
const TYPES = [ProgramType.SK_SKB, ProgramType.SK_MSG];
const AS = {
  stream_parser: AttachType.SK_SKB_STREAM_PARSER,
  stream_verdict: AttachType.SK_SKB_STREAM_VERDICT,
  verdict: AttachType.SK_SKB_VERDICT,
  msg_verdict: AttachType.SK_MSG_VERDICT,
};

/**
 * Attaches a program of type sk_skb or sk_msg to a sockmap or sockhash, Linux 4.14 (sk_msg 4.17, `verdict` 5.13); sockets that are put
 * into the map from now on have it. Without a link it stays until the map goes.
 *
 * @throws SyscallError such as EBUSY when the map has a program of this kind, EPERM without CAP_NET_ADMIN, EOPNOTSUPP when the kernel
 * cannot run this kind; TypeError for a map or program of another type.
 */
export function sockmap(
  program: AttachableProgram,
  map: SocketMapTarget,
  options: SockmapOptions = {},
): Link {
  return attachSockmap(program, map, options);
}

/** Which program of a kind a map of sockets has; Linux 5.19. @throws SyscallError. */
export function sockmapPrograms(map: SocketMapTarget, attachType: number): AttachedPrograms {
  requireMap(map);
  return queryPrograms(map.fd, attachType);
}

function requireMap(map: SocketMapTarget): void {
  if (map?.fd instanceof FileDescriptor) return;
  throw new TypeError(`sockmap: ${shown(map)} is no map; bpf.maps of a loaded object has them`);
}

/** The same on any kernel. */
export function attachSockmap(
  program: AttachableProgram,
  map: SocketMapTarget,
  options: SockmapOptions,
  kernel: KernelCalls = runningKernel,
): Link {
  checkOptions("sockmap", options, ["as", "link"]);
  requireBooleans("sockmap", options, ["link"]);
  requireType(program, TYPES, "map of sockets");
  requireMap(map);
  if (map.type !== MapType.SOCKMAP && map.type !== MapType.SOCKHASH) {
    throw new TypeError(`sockmap: ${map.name} is not a map of type sockmap or sockhash`);
  }
  const attachType = typeOf(program, options);
  const hook = nameOf(AttachType, attachType).toLowerCase();
  const description = `${program.name} to ${hook} of map ${map.name}`;
  const kind = program.type === ProgramType.SK_MSG ? "sk_msg" : "sk_skb";
  const common = { kind, description, types: [program.type] } as const;
  const doing = `cannot attach program ${description}`;
  let target: FileDescriptor | undefined;
  let current: FileDescriptor | undefined;
  try {
    // The kernel would put the program in the place of another one that has no link.
    requireFree(map, attachType);
    if (options.link !== false) {
      const fd = createLink(program, map, attachType, kernel);
      if (fd !== undefined) return new Link({ ...common, fd, isKernelLink: true });
    }
    // Before anything is attached: what is attached can be detached with them.
    target = map.fd.duplicate();
    current = program.fd.duplicate();
    kernel.programAttach({ target, program: current, attachType });
  } catch (error) {
    target?.close();
    current?.close();
    throw reasonOf(error, doing, map, attachType);
  }
  const manual = manualAttachment(map, target, current, attachType, kernel);
  return new Link({ ...common, fd: target, isKernelLink: false, manual });
}

/** How to detach and replace a program that was attached without a link; takes over `program`. */
function manualAttachment(
  map: SocketMapTarget,
  target: FileDescriptor,
  program: FileDescriptor,
  attachType: number,
  kernel: KernelCalls,
): ManualAttachment {
  let current = program;
  return {
    detach(): void {
      using own = current;
      try {
        programDetach({ target, program: own, attachType });
      } catch (error) {
        // It was detached or replaced by somebody else.
        if (!failedWith(error, "ENOENT")) throw error;
      }
    },
    replace(next, expected): void {
      if (expected !== undefined) {
        throw new TypeError(
          `cannot replace the program of map ${map.name}: without a link, none can be expected`,
        );
      }
      const own = next.fd.duplicate();
      try {
        kernel.programAttach({ target, program: own, attachType });
      } catch (error) {
        own.close();
        const doing = `cannot replace the program of map ${map.name} by ${next.name}`;
        throw reasonOf(error, doing, { name: map.name, type: map.type, fd: target }, attachType);
      }
      const last = current;
      current = own;
      last.close();
    },
  };
}

/** Undefined on kernels without links of socket maps: before Linux 6.10. */
function createLink(
  program: AttachableProgram,
  map: SocketMapTarget,
  attachType: number,
  kernel: KernelCalls,
): FileDescriptor | undefined {
  try {
    const what = `link to map ${map.name}`;
    return kernel.linkCreate({ program: program.fd, target: map.fd, attachType }, what);
  } catch (error) {
    // Whatever else is wrong is so without a link, too, and said there.
    if (failedWith(error, "EINVAL", "EOPNOTSUPP")) return undefined;
    throw error;
  }
}

/** @throws SyscallError with code EBUSY when a program is there, as far as the kernel tells: since Linux 5.19. */
function requireFree(map: SocketMapTarget, attachType: number): void {
  if (attachedText(map.fd, attachType) === "") return;
  throw new SyscallError(`attach to map ${map.name}`, {
    errno: EBUSY,
    syscall: "bpf",
    command: "PROG_ATTACH",
  });
}

function reasonOf(
  error: unknown,
  doing: string,
  map: SocketMapTarget,
  attachType: number,
): unknown {
  const taken = (): string => {
    const attached = attachedText(map.fd, attachType);
    return `${attached === "" ? "another program" : attached} is attached there, and one of each kind is possible; \`stream_verdict\` and \`verdict\` exclude each other`;
  };
  return explain(error, doing, {
    EPERM: networkPrivileges,
    EBUSY: taken,
    EEXIST: taken,
    EOPNOTSUPP: "the kernel cannot run this kind; parsers need CONFIG_BPF_STREAM_PARSER",
    EINVAL: "the program was loaded for another kind, or the kernel is too old for this one",
  });
}

function typeOf(program: AttachableProgram, options: SockmapOptions): number {
  const { as } = options;
  if (as !== undefined) {
    if (Object.hasOwn(AS, as)) return AS[as];
    throw new TypeError(`sockmap: as is ${shown(as)}, none of ${Object.keys(AS).join(", ")}`);
  }
  if (program.type === ProgramType.SK_MSG) return AttachType.SK_MSG_VERDICT;
  if (Object.values<number>(AS).includes(program.attachType)) return program.attachType;
  throw new TypeError(
    `sockmap: say as what: program "${program.name}" was not loaded for parsing or verdicts`,
  );
}
