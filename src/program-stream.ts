/**
 * What programs print of their own: the kernel keeps two streams a program, as it keeps two for a process.
 *
 * @module
 */

import { SyscallError, UnsupportedError } from "./error.ts";
import { checkOptions } from "./options.ts";
import { onAbort } from "./sys/abort.ts";
import { programStreamRead } from "./sys/bpf.ts";
import type { FileDescriptor } from "./sys/fd.ts";

/** `stdout` is what a program prints, `stderr` its errors and what the kernel has to complain of while it runs. */
export type StreamName = "stdout" | "stderr";

/** How to read on. */
export interface StreamOptions {
  /** Ends the iteration when it is aborted. */
  signal?: AbortSignal | undefined;
  /** Milliseconds between two looks, for the kernel tells nobody of new text. Default 50. */
  interval?: number | undefined;
}

/** `enum bpf_stream_id` of `kernel/bpf/stream.c`. */
const IDS: Readonly<Record<StreamName, number>> = { stdout: 1, stderr: 2 };
/** The kernel keeps 100,000 bytes of a stream at most. */
const CHUNK = 0x4000;
/** Of one read: a program that prints all the time must not be followed for ever. */
const MAX_CHUNKS = 16;
const INTERVAL = 50;

/**
 * One of the two streams of a program, into which it prints with `bpf_stream_vprintk`. What was read is gone, for all readers; what
 * finds no room in the kernel's 100,000 bytes is refused to the program. Linux 6.17.
 */
export class ProgramStream implements AsyncIterable<string> {
  readonly name: StreamName;
  readonly #fd: FileDescriptor;
  readonly #what: string;
  readonly #bytes = new Uint8Array(CHUNK);
  readonly #decoder = new TextDecoder();

  /** @internal */
  constructor(fd: FileDescriptor, program: string, name: StreamName) {
    this.#fd = fd;
    this.#what = `${name} of program ${program}`;
    this.name = name;
  }

  /**
   * What was printed and nobody has read yet, empty for nothing. A character of which the end is missing comes with the next read.
   *
   * @throws UnsupportedError before Linux 6.17; BpfError with code `ERR_CLOSED` when the program was closed; SyscallError.
   */
  read(): string {
    let text = "";
    for (let chunks = 0; chunks < MAX_CHUNKS; chunks++) {
      const count = this.#fill();
      text += this.#decoder.decode(this.#bytes.subarray(0, count), { stream: true });
      if (count < CHUNK) break;
    }
    return text;
  }

  /**
   * What is printed from now on and what nobody has read yet, as it comes: pieces of text that need not be whole lines. Ends when the
   * program is closed, `signal` is aborted, or the loop is left. While somebody waits the process stays alive.
   *
   * @throws as {@link read}; TypeError and RangeError for options that make no sense.
   */
  follow(options: StreamOptions = {}): AsyncIterableIterator<string> {
    checkOptions(`follow ${this.#what}`, options, ["signal", "interval"]);
    const { signal, interval = INTERVAL } = options;
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw new TypeError(`follow ${this.#what}: signal is no AbortSignal; pass controller.signal`);
    }
    if (!(interval >= 1 && interval <= 0x7fff_ffff)) {
      throw new RangeError(`follow ${this.#what}: interval is ${interval}, not 1 ms or more`);
    }
    const left = new AbortController();
    const pieces = this.#pieces(
      signal === undefined ? [left.signal] : [left.signal, signal],
      interval,
    );
    const end = pieces.return.bind(pieces);
    // A generator that waits ends when it goes on, which it would not before something is printed.
    pieces.return = (value) => {
      left.abort();
      return end(value);
    };
    return pieces;
  }

  /** As {@link follow} without options. */
  [Symbol.asyncIterator](): AsyncIterableIterator<string> {
    return this.follow();
  }

  async *#pieces(
    ends: readonly AbortSignal[],
    interval: number,
  ): AsyncGenerator<string, void, undefined> {
    while (!this.#fd.closed && !ends.some(({ aborted }) => aborted)) {
      const text = this.read();
      if (text !== "") yield text;
      else await this.#pause(interval, ends);
    }
  }

  #fill(): number {
    try {
      return programStreamRead(this.#fd, IDS[this.name], this.#bytes);
    } catch (error) {
      // The descriptor, the number and the size are right: a kernel that says this does not know the command.
      if (!(error instanceof SyscallError) || error.code !== "EINVAL") throw error;
      throw new UnsupportedError(`read ${this.#what}: this kernel has no streams of programs`, {
        feature: "streams of programs",
        since: "6.17",
        cause: error,
      });
    }
  }

  /** Waits, until one of `ends` is aborted or the program is closed at most. */
  #pause(milliseconds: number, ends: readonly AbortSignal[]): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        for (const forget of forgets) forget();
        resolve();
      };
      const timer = setTimeout(end, milliseconds);
      const forgets = [this.#fd.onClose(end), ...ends.map((signal) => onAbort(signal, end))];
    });
  }
}
