/**
 * Iterators: programs that the kernel runs once for each task, map element, socket…, and whose output is read as a file.
 *
 * @module
 */

import { Readable } from "node:stream";
import { hostLittleEndian, viewOf } from "../src/bytes.ts";
import { BpfError, SyscallError } from "../src/error.ts";
import { checkOptions, shown } from "../src/options.ts";
import { iteratorCreate } from "../src/sys/bpf.ts";
import { FileDescriptor } from "../src/sys/fd.ts";
import { readInto } from "../src/sys/file.ts";
import { concatenate } from "../src/sys/netlink-message.ts";
import { NetworkNamespace } from "../src/sys/network-namespace.ts";
import { AttachType, ProgramType } from "../src/uapi.ts";
import { type AttachableProgram, requireType } from "./arguments.ts";
import { openCgroup } from "./cgroup.ts";
import { bpfPrivileges, explain } from "./explain.ts";
import { NETWORK_TARGETS, otherTargets, walksNamespace } from "./iterator-targets.ts";
import { type KernelCalls, runningKernel } from "./kernel-calls.ts";
import { Link, type LinkParts } from "./link.ts";

/** `enum bpf_cgroup_iter_order` of include/uapi/linux/bpf.h. */
const ORDERS = { self: 1, selfFirst: 2, selfLast: 3, ancestors: 4 } as const;

/** What an iterator walks; each kind of iterator takes its own. */
export interface IteratorOptions {
  /** The map whose elements are walked: `iter/bpf_map_elem`, Linux 5.9; `iter/sockmap` and `iter/bpf_sk_storage_map`, too. */
  map?: { readonly fd: FileDescriptor };
  /** Only the tasks of this process, for `iter/task`, `iter/task_file` and `iter/task_vma`; Linux 6.1. Default: all. */
  pid?: number;
  /** Only this task, by its thread id; Linux 6.1. */
  tid?: number;
  /** Where `iter/cgroup` begins: the path of a cgroup, or a descriptor; Linux 6.1. */
  cgroup?: string | number;
  /**
   * The network namespace whose sockets and routes are walked, as `skLookup` has it, for `iter/tcp`, `iter/udp`, `iter/unix`, `iter/netlink` and
   * `iter/ipv6_route`. Default: the one of this thread when a run starts.
   */
  namespace?: NetworkNamespace | string | number;
  /** Which cgroups it walks from there: only itself, itself and those below (`selfFirst`, `selfLast`), or itself and those above. Default `selfFirst`. */
  order?: keyof typeof ORDERS;
}

const TYPES = [ProgramType.TRACING];
/** What one read takes at most: the kernel's own buffer is 8 pages. */
const CHUNK = 65_536;
/** More output than this in one piece is refused; a stream has no limit. */
const MOST_AT_ONCE = 2 ** 30;

/** An attached iterator. Each run starts anew and is read on its own. */
export class IteratorLink extends Link {
  readonly #namespace: NetworkNamespace | undefined;

  /** Takes over the namespace. @internal */
  constructor(parts: LinkParts, namespace?: NetworkNamespace) {
    super(parts);
    this.#namespace = namespace;
  }

  /**
   * Starts a run and gives its output as it is read; `setEncoding("utf8")` makes it text. The program runs while the stream is read, on
   * this thread; destroying the stream ends the run. It reads from the kernel's present state, and holds the link while it is open.
   *
   * @throws SyscallError; BpfError with code `ERR_CLOSED` after close. Errors of reading are the stream's.
   */
  create(): Readable {
    const run = this.#start();
    return new Readable({
      highWaterMark: CHUNK,
      read(): void {
        readSome(
          run,
          (chunk) => this.push(chunk),
          (error) => this.destroy(error),
        );
      },
      destroy(error, done): void {
        run.close();
        done(error);
      },
    });
  }

  /** Starts a run and reads all of its output. Throws as {@link IteratorLink.create}. */
  bytes(): Uint8Array {
    using run = this.#start();
    const parts: Uint8Array[] = [];
    let total = 0;
    for (;;) {
      const chunk = readChunk(run);
      if (chunk === undefined) continue;
      if (chunk.length === 0) return concatenate(parts);
      total += chunk.length;
      if (total > MOST_AT_ONCE) {
        throw new BpfError(
          `read ${run.what}: its output is above 1 GiB; create() makes a stream of it`,
          {
            code: "ERR_TOO_LARGE",
          },
        );
      }
      parts.push(chunk);
    }
  }

  /** The same as text. */
  text(): string {
    return new TextDecoder().decode(this.bytes());
  }

  #start(): FileDescriptor {
    const start = () => iteratorCreate(this.fd, `run of ${this.description}`);
    // A closed link says so itself.
    return this.#namespace === undefined || this.closed ? start() : this.#namespace.run(start);
  }
}

/**
 * Attaches an iterator (`iter/…`) to what it was loaded for; Linux 5.8. It runs when its output is read.
 *
 * @throws SyscallError such as EINVAL for what this iterator does not take, EBADF for what is no map, ENOENT for a namespace that is not
 * there; TargetError for a path that is no cgroup; TypeError for a program of another type, and an option that is for iterators of
 * something else.
 */
export function iterator(program: AttachableProgram, options: IteratorOptions = {}): IteratorLink {
  return attachIterator(program, options);
}

/** The same on any kernel. */
export function attachIterator(
  program: AttachableProgram,
  options: IteratorOptions,
  kernel: KernelCalls = runningKernel,
): IteratorLink {
  checkOptions("iterator", options, ["map", "pid", "tid", "cgroup", "order", "namespace"]);
  requireType(program, TYPES, "iterator");
  if (program.attachType !== AttachType.TRACE_ITER) {
    throw new TypeError(`cannot attach program "${program.name}" as an iterator: it is none`);
  }
  const description = `${program.name} to iterator ${program.attachTo}`.trimEnd();
  const doing = `cannot attach program ${description}`;
  using cgroup = options.cgroup === undefined ? undefined : openCgroup(options.cgroup, doing);
  const iteratorInfo = targetInfo(options, cgroup);
  requireTaken(options, program.attachTo, doing);
  const attachType = AttachType.TRACE_ITER;
  const namespace = ownNamespace(options.namespace, program.attachTo, doing);
  try {
    const attributes = { program: program.fd, attachType, iteratorInfo };
    const fd = kernel.linkCreate(attributes, `link to iterator ${program.attachTo}`);
    const parts = { kind: "iter", description, fd, isKernelLink: true, types: TYPES } as const;
    if (namespace === undefined) return new IteratorLink(parts);
    const afterClose = { now: () => namespace.close(), soon: async () => namespace.close() };
    return new IteratorLink({ ...parts, afterClose }, namespace);
  } catch (error) {
    namespace?.close();
    throw explain(error, doing, {
      EPERM: bpfPrivileges,
      EBADF:
        options.map === undefined
          ? "this iterator walks the elements of a map: give it as the option { map }"
          : "that is no map",
      EACCES: "the program reads more of a key or value than the map has",
      EINVAL:
        "this iterator does not walk that; maps are walked from Linux 5.9 on, single processes and cgroups from 6.1 on",
      E2BIG:
        "this kernel's iterators take less: single processes and cgroups are walked from Linux 6.1 on",
      ESRCH: "there is no such process or task",
    });
  }
}

/** @throws TypeError for an option that is for iterators of something else. */
function requireTaken(options: IteratorOptions, attachTo: string, doing: string): void {
  for (const name of ["map", "pid", "tid", "cgroup"] as const) {
    const taking = options[name] === undefined ? undefined : otherTargets(name, attachTo);
    if (taking === undefined) continue;
    throw new TypeError(
      `${doing}: ${name} is for iterators of ${taking.join(", ")}, and this one is of ${attachTo}`,
    );
  }
}

/** A namespace that lives as long as the link. */
function ownNamespace(
  namespace: IteratorOptions["namespace"],
  attachTo: string,
  doing: string,
): NetworkNamespace | undefined {
  if (namespace === undefined) return undefined;
  if (!walksNamespace(attachTo)) {
    throw new TypeError(
      `${doing}: namespace is for iterators of ${NETWORK_TARGETS.join(", ")}, and this one is of ${attachTo}`,
    );
  }
  return namespace instanceof NetworkNamespace
    ? NetworkNamespace.open(`/proc/self/fd/${namespace.fd.number}`)
    : NetworkNamespace.open(namespace);
}

/** `union bpf_iter_link_info` of include/uapi/linux/bpf.h; undefined where nothing is said. */
function targetInfo(
  { map, pid, tid, order, cgroup }: IteratorOptions,
  cgroupFd: FileDescriptor | undefined,
): Uint8Array | undefined {
  const said = [map, pid ?? tid, cgroup].filter((one) => one !== undefined).length;
  if (said > 1 || (pid !== undefined && tid !== undefined)) {
    throw new TypeError("iterator: give one of map, pid, tid and cgroup");
  }
  if (order !== undefined && (cgroup === undefined || !Object.hasOwn(ORDERS, order))) {
    throw new TypeError(
      `iterator: order is one of ${Object.keys(ORDERS).join(", ")}, and of cgroups`,
    );
  }
  if (map !== undefined && !(map?.fd instanceof FileDescriptor)) {
    throw new TypeError(
      `iterator: map is ${shown(map)}, not a map; bpf.maps of a loaded object has them`,
    );
  }
  if (said === 0) return undefined;
  // The kernel wants what it does not know to be zero, and older ones know the map only.
  const bytes = new Uint8Array(new ArrayBuffer(map === undefined ? 16 : 4));
  const view = viewOf(bytes);
  const set = (at: number, value: number): void => view.setUint32(at, value, hostLittleEndian);
  if (map !== undefined) set(0, map.fd.number);
  else if (tid !== undefined) set(0, number(tid, "tid"));
  else if (pid !== undefined) set(4, number(pid, "pid"));
  else if (cgroupFd !== undefined) {
    set(0, ORDERS[order ?? "selfFirst"]);
    set(4, cgroupFd.number);
  }
  return bytes;
}

function number(value: number, what: string): number {
  if (Number.isInteger(value) && value >= 1 && value <= 0x7fff_ffff) return value;
  throw new RangeError(
    `iterator: ${what} is ${shown(value)}, not the number of a process or thread`,
  );
}

function readSome(
  run: FileDescriptor,
  push: (chunk: Uint8Array | null) => void,
  fail: (error: Error) => void,
): void {
  try {
    const chunk = readChunk(run);
    // After many objects without output the kernel wants to be asked again.
    if (chunk === undefined) setImmediate(() => run.closed || readSome(run, push, fail));
    else push(chunk.length === 0 ? null : chunk);
  } catch (error) {
    fail(error as Error);
  }
}

/** Empty at the end, undefined where the kernel wants to be asked again. */
function readChunk(run: FileDescriptor): Uint8Array | undefined {
  const block = new Uint8Array(new ArrayBuffer(CHUNK));
  try {
    return block.slice(0, readInto(run, block));
  } catch (error) {
    if (error instanceof SyscallError && error.code === "EAGAIN") return undefined;
    throw error;
  }
}
