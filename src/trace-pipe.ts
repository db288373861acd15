/**
 * The kernel's trace pipe, into which programs write with `bpf_printk`, as an async iterator of parsed lines.
 *
 * @module
 */

import { constants } from "node:fs";
import { BpfError, SyscallError } from "./error.ts";
import { checkOptions } from "./options.ts";
import { onAbort } from "./sys/abort.ts";
import type { FileDescriptor } from "./sys/fd.ts";
import { openFile, readInto } from "./sys/file.ts";
import { tracefs } from "./sys/paths.ts";
import { Poller, type Watch } from "./sys/poller.ts";
import { parseTrace, type TraceRecord } from "./trace-line.ts";

/** How to read. */
export interface TracePipeOptions {
  /** Ends the iteration when it is aborted. */
  signal?: AbortSignal | undefined;
}

/** A read returns whole lines, a page of them at most. */
const CHUNK = 0x1_0000;
/** Reads on end before others get their turn. */
const MAX_READS = 16;
/** Lines that wait for the reader; with more of them no more are taken, and the kernel drops what does not fit its buffer. */
const MAX_WAITING = 4096;

let isOpen = false;

/**
 * What programs write with `bpf_printk`, and other tracers, from now on and what nobody has read yet. Reading takes lines out of the
 * pipe, so that there is one reader at a time; it does not block. It ends when `signal` is aborted or the loop is left.
 *
 * @throws UnsupportedError when tracefs is not mounted; BpfError with code `EBUSY` while there is another iteration in this thread, or, from
 * Linux 6.6 on, another reader on this machine; SyscallError such as EACCES without privileges; TypeError for a signal that is none.
 */
export function tracePipe(options: TracePipeOptions = {}): AsyncIterableIterator<TraceRecord> {
  checkOptions("tracePipe", options, ["signal"]);
  const { signal } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError("tracePipe: signal is no AbortSignal; pass controller.signal");
  }
  return new TracePipe(signal);
}

class TracePipe implements AsyncIterableIterator<TraceRecord>, AsyncDisposable {
  readonly #fd: FileDescriptor;
  readonly #watch: Watch;
  readonly #forget: () => void;
  readonly #bytes: Uint8Array = new Uint8Array(CHUNK);
  #waiting: TraceRecord[] = [];
  #next = 0;
  #wanting: { resolve: (done: undefined) => void; reject: (error: unknown) => void }[] = [];
  #failure: unknown;
  #ended = false;

  constructor(signal: AbortSignal | undefined) {
    this.#fd = openPipe();
    try {
      this.#watch = Poller.shared().watch(this.#fd, () => this.#read());
    } catch (error) {
      this.#fd.close();
      throw error;
    }
    isOpen = true;
    this.#watch.ref();
    this.#forget = signal === undefined ? () => {} : onAbort(signal, () => this.#end());
    if (signal?.aborted === true) this.#end();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<TraceRecord, undefined>> {
    for (;;) {
      const record = this.#waiting[this.#next];
      if (record !== undefined) {
        this.#next++;
        this.#makeRoom();
        return { done: false, value: record };
      }
      if (this.#failure !== undefined) {
        const error = this.#failure;
        this.#failure = undefined;
        throw error;
      }
      if (this.#ended) return { done: true, value: undefined };
      await new Promise<undefined>((resolve, reject) => this.#wanting.push({ resolve, reject }));
    }
  }

  async return(): Promise<IteratorResult<TraceRecord, undefined>> {
    this.#waiting = [];
    this.#next = 0;
    this.#end();
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** Lets the kernel's lines come again when all that waited were taken. */
  #makeRoom(): void {
    if (this.#next < this.#waiting.length) return;
    this.#waiting = [];
    this.#next = 0;
    if (!this.#ended) this.#watch.resume();
  }

  #read(): void {
    try {
      for (let reads = 0; reads < MAX_READS; reads++) {
        const count = readInto(this.#fd, this.#bytes);
        if (count === 0) break;
        for (const record of parseTrace(this.#bytes.subarray(0, count))) this.#waiting.push(record);
        if (this.#waiting.length < MAX_WAITING) continue;
        this.#watch.pause();
        break;
      }
    } catch (error) {
      const code = error instanceof SyscallError ? error.code : "";
      // EAGAIN is the end of what there is; the kernel interrupts readers, too.
      if (code !== "EAGAIN" && code !== "EINTR") {
        this.#failure = error;
        this.#end();
      }
    }
    if (this.#waiting.length > 0) this.#wake();
  }

  #wake(): void {
    const wanting = this.#wanting;
    this.#wanting = [];
    for (const { resolve } of wanting) resolve(undefined);
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    isOpen = false;
    this.#forget();
    this.#watch.close();
    this.#fd.close();
    this.#wake();
  }
}

function openPipe(): FileDescriptor {
  const path = `${tracefs()}/trace_pipe`;
  const busy = (who: string, cause?: unknown): BpfError =>
    new BpfError(`read ${path}: ${who} reads it already, and takes lines away from others`, {
      code: "EBUSY",
      cause,
    });
  if (isOpen) throw busy("this program");
  try {
    return openFile(path, "trace pipe", constants.O_NONBLOCK);
  } catch (error) {
    if (error instanceof SyscallError && error.code === "EBUSY") throw busy("somebody", error);
    if (error instanceof SyscallError && ["EACCES", "EPERM"].includes(error.code)) {
      const { errno, syscall } = error;
      const needs =
        "it needs root, or CAP_DAC_READ_SEARCH, unless tracefs was mounted otherwise (gid=, mode=)";
      throw new SyscallError(`read ${path} (${needs})`, { errno, syscall, cause: error });
    }
    throw error;
  }
}
