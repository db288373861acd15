/**
 * A program in the kernel: a descriptor with a name, what can be asked of it, and running it by hand. Attaching it is the
 * business of links.
 *
 * @module
 */

import type { Btf } from "../btf/index.ts";
import { type CodeLine, functionRecords, type ProgramCode, programCode } from "./program-code.ts";
import { type ContextType, type ContextValue, contextType } from "./program-context.ts";
import { type ProgramInfo, programInfo } from "./program-info.ts";
import {
  explainRun,
  type PreparedRun,
  prepareRun,
  type RunOptions,
  type RunResult,
} from "./program-run.ts";
import { ProgramStream, type StreamName, type StreamOptions } from "./program-stream.ts";
import { objectPin, programBindMap, programTestRun, programTestRunAsync } from "./sys/bpf.ts";
import { explainPin, removePin, requirePinPath } from "./sys/bpf-file-system.ts";
import { btfById } from "./sys/btf-by-id.ts";
import type { FileDescriptor } from "./sys/fd.ts";

export { RunFlags } from "./uapi.ts";
export type {
  CodeLine,
  ContextValue,
  ProgramCode,
  ProgramInfo,
  ProgramStream,
  RunOptions,
  RunResult,
  StreamName,
  StreamOptions,
};

/** The types that a program was loaded with, and which of them is its own function. */
export interface ProgramTypes {
  readonly btf: Btf;
  /** BTF id of the FUNC, 0 where it is not known. */
  readonly func: number;
}

/** What hooks need to know of a map of a program's object. @internal */
export interface ObjectMap {
  readonly fd: FileDescriptor;
  readonly valueSize: number;
  readonly maxEntries: number;
}

/** What is known of a program besides its descriptor. */
export interface ProgramFields {
  name: string;
  section?: string;
  type: number;
  attachType?: number;
  attachTo?: string;
  log?: string;
  types?: ProgramTypes | undefined;
  /** @internal */
  objectMaps?: Readonly<Record<string, ObjectMap>> | undefined;
}

/** What the kernel counted of a program while statistics were on; see {@link enableStatistics}. */
export interface ProgramStats {
  readonly runCount: bigint;
  /** Nanoseconds in all. */
  readonly runTime: bigint;
  /** How often it did not run since it was running already. Linux 5.12. */
  readonly recursionMisses: bigint;
}

/** A loaded program. It lives while it is open here, attached, or pinned. */
export class Program implements Disposable {
  readonly name: string;
  /** ELF section it came from, empty for programs from elsewhere. */
  readonly section: string;
  /** `ProgramType`. */
  readonly type: number;
  /** `AttachType` that the kernel was told at load; of a program in a function table the place of its member. */
  readonly attachType: number;
  /** What its section names as the place to attach to. */
  readonly attachTo: string;
  /** The verifier's log when one was asked for, else empty. */
  readonly log: string;
  /** @internal */
  readonly fd: FileDescriptor;
  readonly #objectMaps: Readonly<Record<string, ObjectMap>> | undefined;
  #types: ProgramTypes | undefined;
  #id: number | undefined;
  #pin: string | undefined;
  readonly #streams = new Map<StreamName, ProgramStream>();

  /** @internal */
  constructor(fd: FileDescriptor, fields: ProgramFields) {
    this.fd = fd;
    this.name = fields.name;
    this.section = fields.section ?? "";
    this.type = fields.type;
    this.attachType = fields.attachType ?? 0;
    this.attachTo = fields.attachTo ?? "";
    this.log = fields.log ?? "";
    this.#types = fields.types;
    this.#objectMaps = fields.objectMaps;
  }

  /** Number of the program, by which others can open it while it exists. Linux 4.13. */
  get id(): number {
    this.#id ??= this.info().id;
    return this.#id;
  }

  /** Whether {@link close} was called. */
  get closed(): boolean {
    return this.fd.closed;
  }

  /** Where it is pinned as far as this handle knows: where {@link pin} put it, or it was found. */
  get pinnedPath(): string | undefined {
    return this.#pin;
  }

  /**
   * Runs the program without attaching it, once or `repeat` times (`BPF_PROG_TEST_RUN`). Linux 4.12.
   *
   * Which inputs there are depends on the type: network programs take a packet as `data` and some a `context`, raw tracepoints
   * and syscall programs a `context` only, tracing programs nothing. This thread waits for the end; {@link runAsync} does not.
   *
   * @throws UnsupportedError when the kernel is too old to run programs of the type; SyscallError with code `ENOTSUPP` when no
   * kernel does, `EINVAL` for inputs that the type does not take, `ENOSPC` for too little room, `EPERM`; TypeError and RangeError
   * for options that make no sense.
   */
  run(options: RunOptions & { contextOut: true }): RunResult<Record<string, unknown>>;
  run(options?: RunOptions): RunResult;
  run(options: RunOptions = {}): RunResult<unknown> {
    const prepared = this.#prepare(options);
    try {
      return prepared.finish(programTestRun(this.fd, prepared.options));
    } catch (error) {
      throw explainRun(error, this, options);
    }
  }

  /** As {@link run}, on another thread: a million runs of a long program block nothing. The program may be closed meanwhile. */
  runAsync(options: RunOptions & { contextOut: true }): Promise<RunResult<Record<string, unknown>>>;
  runAsync(options?: RunOptions): Promise<RunResult>;
  async runAsync(options: RunOptions = {}): Promise<RunResult<unknown>> {
    const prepared = this.#prepare(options);
    try {
      return prepared.finish(await programTestRunAsync(this.fd, prepared.options));
    } catch (error) {
      throw explainRun(error, this, options);
    }
  }

  /** Asks the kernel what it knows of the program. Linux 4.13. Throws SyscallError. */
  info(): ProgramInfo {
    return programInfo(this.fd);
  }

  /** How often it ran and how long, as far as statistics were on. Linux 5.1. Throws SyscallError. */
  stats(): ProgramStats {
    const { runCount, runTime, recursionMisses } = this.info();
    return { runCount, runTime, recursionMisses };
  }

  /**
   * What the program prints, or its errors and what the kernel has to complain of while it runs. Linux 6.17.
   *
   * ```ts
   * program.stream("stderr").read();                        // what is there
   * for await (const text of program.stream("stdout")) …    // and what comes
   * ```
   *
   * @throws TypeError for another name.
   */
  stream(name: StreamName): ProgramStream {
    if (name !== "stdout" && name !== "stderr") {
      throw new TypeError(
        `program ${this.name}: there is no stream ${JSON.stringify(name)}; there are stdout and stderr`,
      );
    }
    let stream = this.#streams.get(name);
    if (stream === undefined) {
      stream = new ProgramStream(this.fd, this.name, name);
      this.#streams.set(name, stream);
    }
    return stream;
  }

  /**
   * The instructions as the kernel runs them, after the verifier rewrote them, with functions and source lines. Linux 4.13.
   *
   * @throws BpfError with code `ERR_RESTRICTED` when the kernel does not show them; SyscallError, with code `EPERM` when its types
   * cannot be opened without CAP_SYS_ADMIN.
   */
  instructions(): ProgramCode {
    return programCode(this.fd, `program ${this.name}`, () => this.types());
  }

  /**
   * The types that it was loaded with, undefined for none.
   *
   * @throws SyscallError with code `EPERM` when it came from elsewhere and the caller lacks CAP_SYS_ADMIN.
   */
  types(): Btf | undefined {
    return this.#typed()?.btf;
  }

  /**
   * Has the program hold a map that its instructions do not mention: it stays as long as the program. Linux 5.10. Throws
   * SyscallError.
   */
  bindMap(map: { readonly fd: FileDescriptor }): void {
    programBindMap(this.fd, map.fd);
  }

  /**
   * Pins the program in a BPF file system, so that it outlives this process, until {@link unpin}.
   *
   * @throws SyscallError such as ENOENT for a missing folder, EEXIST, EPERM; BpfError with code `ERR_NOT_BPFFS` where `path` is in
   * no BPF file system.
   */
  pin(path: string): void {
    requirePinPath(path, `program ${this.name}`);
    try {
      objectPin(this.fd, path);
    } catch (error) {
      throw explainPin(error, `program ${this.name}`, path);
    }
    this.#pin = path;
  }

  /** Removes the path that the program is pinned at. Does nothing when it has none. Throws SyscallError. */
  unpin(): void {
    if (this.#pin === undefined) return;
    removePin(this.#pin, `program ${this.name}`);
    this.#pin = undefined;
  }

  /** @internal Takes note of a path that the program was found at. */
  foundAt(path: string): void {
    this.#pin = path;
  }

  /** Another handle of the same program, with a descriptor of its own, to be closed on its own. It knows of no pin. */
  clone(): Program {
    return new Program(this.fd.duplicate(), {
      ...this,
      types: this.#types,
      objectMaps: this.#objectMaps,
    });
  }

  /** @internal The maps of the object that it came from, by name; undefined for programs from elsewhere. */
  get objectMaps(): Readonly<Record<string, ObjectMap>> | undefined {
    return this.#objectMaps;
  }

  /** @internal The type of its context, undefined where nothing tells it. */
  contextType(): ContextType | undefined {
    return contextType(this.type, () => {
      const types = this.#typed();
      return types === undefined || types.func === 0 ? undefined : types;
    });
  }

  /** Closes the descriptor; links keep the program alive. Closing twice does nothing. */
  close(): void {
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #prepare(options: RunOptions): PreparedRun {
    return prepareRun(this, options);
  }

  #typed(): ProgramTypes | undefined {
    if (this.#types === undefined) {
      const { btfId } = this.info();
      if (btfId === 0) return undefined;
      const [main] = functionRecords(this.fd);
      this.#types = { btf: btfById(btfId), func: main?.type ?? 0 };
    }
    return this.#types;
  }
}
