/**
 * A program in the kernel: a descriptor with a name. Attaching it is the business of links.
 *
 * @module
 */

import {
  objectPin,
  type ProgramTestRunOptions,
  type ProgramTestRunResult,
  programTestRun,
} from "./sys/bpf.ts";
import { explainPin } from "./sys/bpf-file-system.ts";
import type { FileDescriptor } from "./sys/fd.ts";

/** A loaded program. It lives while it is open here, attached, or pinned. */
export class Program implements Disposable {
  readonly name: string;
  /** ELF section it came from, empty for programs from elsewhere. */
  readonly section: string;
  /** `ProgramType`. */
  readonly type: number;
  /** `AttachType` that the kernel was told at load. */
  readonly attachType: number;
  /** What its section names as the place to attach to. */
  readonly attachTo: string;
  /** The verifier's log when one was asked for, else empty. */
  readonly log: string;
  /** @internal */
  readonly fd: FileDescriptor;

  /** @internal */
  constructor(
    fd: FileDescriptor,
    fields: {
      name: string;
      section?: string;
      type: number;
      attachType?: number;
      attachTo?: string;
      log?: string;
    },
  ) {
    this.fd = fd;
    this.name = fields.name;
    this.section = fields.section ?? "";
    this.type = fields.type;
    this.attachType = fields.attachType ?? 0;
    this.attachTo = fields.attachTo ?? "";
    this.log = fields.log ?? "";
  }

  /**
   * Runs the program without attaching it, once or `repeat` times (`BPF_PROG_TEST_RUN`). Linux 4.12.
   *
   * Which inputs there are depends on the type: network programs take a packet as `data`, at least 14 bytes long; raw tracepoints
   * and syscall programs take a `context`.
   *
   * @throws SyscallError with code `ENOTSUPP` when the type cannot be run this way, `EINVAL` for inputs that it does not take.
   */
  run(options: ProgramTestRunOptions = {}): ProgramTestRunResult {
    return programTestRun(this.fd, options);
  }

  /**
   * Pins the program in a BPF file system, so that it outlives this process.
   *
   * @throws SyscallError such as ENOENT for a missing folder, EEXIST, EPERM; BpfError with code `ERR_NOT_BPFFS` where `path` is in
   * no BPF file system.
   */
  pin(path: string): void {
    try {
      objectPin(this.fd, path);
    } catch (error) {
      throw explainPin(error, `program ${this.name}`, path);
    }
  }

  /** Closes the descriptor; links keep the program alive. Closing twice does nothing. */
  close(): void {
    this.fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
