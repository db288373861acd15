/**
 * The door to the C library: koffi is loaded here, at the first system call, and nowhere else.
 *
 * Knows prototypes, not meanings: numbers go in, numbers come out, addresses are numbers too.
 * Nothing outside `src/sys` may import this file. Importing it costs nothing; only {@link native}
 * loads koffi.
 *
 * @module
 */

import { UnsupportedError } from "../error.ts";
import { requireKoffi } from "./koffi.ts";

/**
 * A C function whose arguments and result are numbers; `async` runs it on a thread of libuv's pool.
 */
export interface Foreign<A extends readonly number[]> {
  (...parameters: A): number;
  async(...parameters: [...A, (error: unknown, result: number) => void]): void;
}

/** A libuv poll handle, as koffi exposes it. */
export interface PollHandle {
  close(): void;
  ref(): void;
  unref(): void;
}

/**
 * The C functions that this package calls. All return -1 on failure; {@link Native.errno} must be
 * read at once.
 */
export interface Native {
  /** Number of bpf(2), the first argument of {@link Native.bpf}. */
  readonly bpfNumber: number;
  /** Number of perf_event_open(2), the first argument of {@link Native.perfEventOpen}. */
  readonly perfEventOpenNumber: number;
  /** `struct epoll_event` has no padding on x86-64 alone (`EPOLL_PACKED`). */
  readonly epollEventPacked: boolean;
  readonly bpf: Foreign<[number: number, command: number, attr: number, size: number]>;
  readonly perfEventOpen: Foreign<
    [number: number, attr: number, pid: number, cpu: number, group: number, flags: number]
  >;
  readonly close: Foreign<[fd: number]>;
  readonly dup3: Foreign<[fd: number, target: number, flags: number]>;
  readonly fcntl: Foreign<[fd: number, command: number, argument: number]>;
  readonly ioctl: Foreign<[fd: number, request: number, argument: number]>;
  readonly open: Foreign<[path: number, flags: number, mode: number]>;
  readonly read: Foreign<[fd: number, buffer: number, size: number]>;
  readonly mmap: Foreign<
    [address: number, length: number, protection: number, flags: number, fd: number, offset: number]
  >;
  readonly munmap: Foreign<[address: number, length: number]>;
  readonly epollCreate: Foreign<[flags: number]>;
  readonly epollControl: Foreign<[epoll: number, operation: number, fd: number, event: number]>;
  readonly epollWait: Foreign<[epoll: number, events: number, count: number, timeout: number]>;
  readonly timerfdCreate: Foreign<[clock: number, flags: number]>;
  readonly timerfdSetTime: Foreign<[fd: number, flags: number, time: number, old: number]>;
  readonly pageSize: Foreign<[]>;
  readonly pidfdOpen: Foreign<[number: number, pid: number, flags: number]>;
  readonly prlimit: Foreign<[pid: number, resource: number, limit: number, old: number]>;
  readonly socket: Foreign<[domain: number, type: number, protocol: number]>;
  readonly socketpair: Foreign<[domain: number, type: number, protocol: number, pair: number]>;
  readonly send: Foreign<[fd: number, buffer: number, size: number, flags: number]>;
  readonly sendmsg: Foreign<[fd: number, message: number, flags: number]>;
  readonly setsockopt: Foreign<
    [fd: number, level: number, option: number, value: number, size: number]
  >;
  readonly unshare: Foreign<[flags: number]>;
  readonly setns: Foreign<[fd: number, type: number]>;
  /** The calling thread's errno; inside the callback of an `async` call, that call's. */
  errno(): number;
  /**
   * Where the bytes of a buffer or view are. The caller keeps the buffer alive for as long as it
   * uses the number.
   */
  address(bytes: ArrayBuffer | ArrayBufferView): number;
  /**
   * An ArrayBuffer over foreign memory. The caller has checked address and length: a wrong one ends
   * the process.
   */
  view(address: number, length: number): ArrayBuffer;
  /**
   * Calls back on this thread's event loop while `fd` is readable; `undefined` where koffi cannot.
   */
  readonly poll: ((fd: number, callback: () => void) => PollHandle) | undefined;
}

/** The part of koffi's interface that is used here. */
interface Koffi {
  readonly version: string;
  load(path: null): {
    func(name: string, result: string, parameters: readonly string[]): Foreign<number[]>;
  };
  errno(): number;
  address(value: unknown): bigint;
  view(address: number, length: number): ArrayBuffer;
  readonly node?: {
    poll?(fd: number, events: { readable: boolean }, callback: () => void): PollHandle;
  };
}

/** Where the process runs and how a package is loaded; tests put in others. */
export interface Platform {
  readonly platform: string;
  readonly architecture: string;
  readonly require: (name: string) => unknown;
}

/**
 * `bpf` and `perf_event_open` of `arch/x86/entry/syscalls/syscall_64.tbl` and of
 * `scripts/syscall.tbl` (the others).
 */
const SYSCALL_NUMBERS: Readonly<Record<string, readonly [bpf: number, perfEventOpen: number]>> = {
  x64: [321, 298],
  arm64: [280, 241],
  riscv64: [280, 241],
  loong64: [280, 241],
};

let loaded: Native | undefined;

/**
 * The C functions; the first call loads koffi. Throws UnsupportedError where there is no Linux or
 * no koffi.
 */
export function native(): Native {
  loaded ??= loadNative({
    platform: process.platform,
    architecture: process.arch,
    require: () => requireKoffi(import.meta.url),
  });
  return loaded;
}

/** Whether koffi has been loaded in this thread. */
export function nativeLoaded(): boolean {
  return loaded !== undefined;
}

/** Loads koffi and declares the functions. {@link native} is what the rest of `src/sys` calls. */
export function loadNative(where: Platform): Native {
  const numbers = checkPlatform(where);
  const koffi = loadKoffi(where);
  const library = koffi.load(null);
  // Integer arguments of C-variadic functions travel in the same registers as those of others on
  // the four architectures above, so fixed prototypes serve; koffi's variadic calls are slower and
  // cannot be asynchronous.
  const declare = <A extends readonly number[]>(
    name: string,
    result: string,
    ...parameters: string[]
  ): Foreign<A> => library.func(name, result, parameters) as unknown as Foreign<A>;
  const poll = koffi.node?.poll;
  return {
    bpfNumber: numbers[0],
    perfEventOpenNumber: numbers[1],
    epollEventPacked: where.architecture === "x64",
    bpf: declare("syscall", "int", "int", "int", "uintptr_t", "uint"),
    perfEventOpen: declare("syscall", "int", "int", "uintptr_t", "int", "int", "int", "ulong"),
    close: declare("close", "int", "int"),
    dup3: declare("dup3", "int", "int", "int", "int"),
    fcntl: declare("fcntl", "int", "int", "int", "long"),
    ioctl: declare("ioctl", "int", "int", "ulong", "uintptr_t"),
    open: declare("open", "int", "uintptr_t", "int", "uint"),
    read: declare("read", "intptr_t", "int", "uintptr_t", "size_t"),
    mmap: declare("mmap", "intptr_t", "uintptr_t", "size_t", "int", "int", "int", "long"),
    munmap: declare("munmap", "int", "uintptr_t", "size_t"),
    epollCreate: declare("epoll_create1", "int", "int"),
    epollControl: declare("epoll_ctl", "int", "int", "int", "int", "uintptr_t"),
    epollWait: declare("epoll_wait", "int", "int", "uintptr_t", "int", "int"),
    timerfdCreate: declare("timerfd_create", "int", "int", "int"),
    timerfdSetTime: declare("timerfd_settime", "int", "int", "int", "uintptr_t", "uintptr_t"),
    pageSize: declare("getpagesize", "int"),
    pidfdOpen: declare("syscall", "int", "int", "int", "uint"),
    prlimit: declare("prlimit", "int", "int", "int", "uintptr_t", "uintptr_t"),
    socket: declare("socket", "int", "int", "int", "int"),
    socketpair: declare("socketpair", "int", "int", "int", "int", "uintptr_t"),
    send: declare("send", "intptr_t", "int", "uintptr_t", "size_t", "int"),
    sendmsg: declare("sendmsg", "intptr_t", "int", "uintptr_t", "int"),
    setsockopt: declare("setsockopt", "int", "int", "int", "int", "uintptr_t", "uint"),
    unshare: declare("unshare", "int", "int"),
    setns: declare("setns", "int", "int", "int"),
    errno: koffi.errno,
    address: (bytes) => Number(koffi.address(bytes)),
    view: koffi.view,
    poll: poll && ((fd, callback) => poll(fd, { readable: true }, callback)),
  };
}

function checkPlatform(where: Platform): readonly [bpf: number, perfEventOpen: number] {
  if (where.platform !== "linux") {
    throw new UnsupportedError(
      `call the kernel on ${where.platform}: bpf(2) is a system call of Linux; reading objects and type information and ` +
        "checking relocations work on every platform",
      { feature: "bpf(2)" },
    );
  }
  const numbers = SYSCALL_NUMBERS[where.architecture];
  if (numbers === undefined) {
    throw new UnsupportedError(
      `call the kernel on ${where.architecture}: the numbers of its system calls are known for ` +
        `${Object.keys(SYSCALL_NUMBERS).join(", ")}`,
      { feature: `system calls on ${where.architecture}` },
    );
  }
  return numbers;
}

function loadKoffi(where: Platform): Koffi {
  try {
    return where.require("koffi") as Koffi;
  } catch (cause) {
    const binary = `@koromix/koffi-${where.platform}-${where.architecture}`;
    const text = cause instanceof Error ? cause.message : String(cause);
    const missing =
      (cause as { code?: unknown } | null)?.code === "MODULE_NOT_FOUND" && /'koffi'/.test(text);
    const help = missing
      ? "the package koffi is not installed; system calls go through it, `npm install koffi` adds it"
      : /native Koffi module/i.test(text)
        ? `koffi is installed without its binary for this platform, the optional dependency ${binary}; install again ` +
          "without `--omit=optional` and on the platform that runs it"
        : `koffi does not load (${text}); its binary for this platform is the package ${binary}`;
    throw new UnsupportedError(`load koffi for the first system call: ${help}`, {
      feature: "koffi",
      cause,
    });
  }
}
