/**
 * The errors of this package. They differ by fields, so that callers need not read message text.
 *
 * Misuse of the API is not here: that is TypeError and RangeError.
 *
 * @module
 */

import { errnoMeaning, errnoName } from "./errno.ts";

/** Any error that this package raises about objects, types or the kernel; `code` tells which. */
export class BpfError extends Error {
  override name = "BpfError";
  /** A stable word for programs: an errno name such as `EPERM`, or `ERR_ELF`, `ERR_BTF`, `ERR_RELOCATION`, `ERR_UNSUPPORTED`… */
  readonly code: string;

  constructor(message: string, options: { code: string; cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = options.code;
  }
}

/** A file is not the ELF that was expected: `offset` is the byte in the file, `section` the section's name if known. */
export class ElfError extends BpfError {
  override name = "ElfError";
  readonly offset: number | undefined;
  readonly section: string | undefined;

  constructor(
    message: string,
    options: { offset?: number | undefined; section?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, { code: "ERR_ELF", cause: options.cause });
    this.offset = options.offset;
    this.section = options.section;
  }
}

/** Type information is malformed: `offset` is the byte in the blob, `typeId` the type if known. */
export class BtfError extends BpfError {
  override name = "BtfError";
  readonly offset: number | undefined;
  readonly typeId: number | undefined;

  constructor(
    message: string,
    options: { offset?: number | undefined; typeId?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, { code: "ERR_BTF", cause: options.cause });
    this.offset = options.offset;
    this.typeId = options.typeId;
  }
}

/** A BPF object is well-formed ELF, but what it says about programs, maps or variables cannot be used. */
export class ObjectError extends BpfError {
  override name = "ObjectError";
  readonly section: string | undefined;

  constructor(message: string, options: { section?: string | undefined; cause?: unknown } = {}) {
    super(message, { code: "ERR_OBJECT", cause: options.cause });
    this.section = options.section;
  }
}

/** An instruction cannot be relocated: `instruction` is its slot (8 bytes each) in the program's section. */
export class RelocationError extends BpfError {
  override name = "RelocationError";
  readonly program: string | undefined;
  readonly instruction: number | undefined;
  readonly symbol: string | undefined;

  constructor(
    message: string,
    options: {
      program?: string | undefined;
      instruction?: number | undefined;
      symbol?: string | undefined;
      cause?: unknown;
    } = {},
  ) {
    super(message, { code: "ERR_RELOCATION", cause: options.cause });
    this.program = options.program;
    this.instruction = options.instruction;
    this.symbol = options.symbol;
  }
}

/** A system call failed: `code` is the errno name, `syscall` its name, `command` the bpf(2) command if it was one. */
export class SyscallError extends BpfError {
  override name = "SyscallError";
  readonly errno: number;
  readonly syscall: string;
  readonly command: string | undefined;

  constructor(
    message: string,
    options: { errno: number; syscall: string; command?: string | undefined; cause?: unknown },
  ) {
    super(`${message}: ${errnoName(options.errno)}, ${errnoMeaning(options.errno)}`, {
      code: errnoName(options.errno),
      cause: options.cause,
    });
    this.errno = options.errno;
    this.syscall = options.syscall;
    this.command = options.command;
  }
}

/** The running kernel, or this platform, cannot do it: `feature` names what, `since` the first release that can. */
export class UnsupportedError extends BpfError {
  override name = "UnsupportedError";
  readonly feature: string;
  readonly since: string | undefined;

  constructor(
    message: string,
    options: { feature: string; since?: string | undefined; cause?: unknown },
  ) {
    super(message, { code: "ERR_UNSUPPORTED", cause: options.cause });
    this.feature = options.feature;
    this.since = options.since;
  }
}

/** One thing in which a map that exists is unlike the one that was asked for, such as `valueSize` 8 for 4. */
export interface MapDifference {
  readonly member: "type" | "keySize" | "valueSize" | "maxEntries" | "flags" | "mapExtra";
  readonly wanted: number | bigint;
  readonly found: number | bigint;
}

/** A map that exists cannot take the place of the one that was asked for: `differences` says in what they differ. */
export class IncompatibleMapError extends BpfError {
  override name = "IncompatibleMapError";
  readonly map: string;
  readonly differences: readonly MapDifference[];

  constructor(
    message: string,
    options: { map: string; differences: readonly MapDifference[]; cause?: unknown },
  ) {
    super(message, { code: "ERR_MAP_INCOMPATIBLE", cause: options.cause });
    this.map = options.map;
    this.differences = options.differences;
  }
}

/** The verifier rejected a program: `log` holds all lines that it printed. */
export class VerifierError extends BpfError {
  override name = "VerifierError";
  readonly program: string;
  readonly log: readonly string[];

  constructor(
    message: string,
    options: { code: string; program: string; log: readonly string[]; cause?: unknown },
  ) {
    super(message, { code: options.code, cause: options.cause });
    this.program = options.program;
    this.log = options.log;
  }
}
