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

/** Puts `prefix` before what an error says, in its stack as well. */
export function prefixMessage(error: Error, prefix: string): void {
  const { message, stack } = error;
  error.message = prefix + message;
  if (stack !== undefined) error.stack = stack.replace(message, () => error.message);
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

/** No map can be as a spec says: `map` is its name, `field` the member of the spec that is at fault. */
export class MapSpecError extends BpfError {
  override name = "MapSpecError";
  readonly map: string;
  readonly field: string;

  constructor(map: string, field: string, problem: string) {
    super(`${map === "" ? "a map without a name" : `map ${map}`}: ${field} ${problem}`, {
      code: "ERR_MAP_SPEC",
    });
    this.map = map;
    this.field = field;
  }
}

/** The instruction of a program, counted in slots of 8 bytes, as the verifier prints it. */
export interface RefusedInstruction {
  readonly slot: number;
  /** Empty where the verifier did not print it. */
  readonly text: string;
}

/** A line of C, of what an object's line records say; `function` is undefined where they do not tell. */
export interface RefusedSource {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly text: string;
  readonly function: string | undefined;
}

/**
 * The verifier rejected a program: `kind` says why as a word for programs, such as `null-pointer`, `log` holds all lines that it
 * printed. What is long is not shown when the error is printed.
 */
export class VerifierError extends BpfError {
  override name = "VerifierError";
  readonly program: string;
  /** Why, such as `null-pointer`, `out-of-bounds`, `kernel-lacks`; `other` where its words are not known here. */
  readonly kind: string;
  readonly #details: VerifierErrorDetails;

  constructor(
    message: string,
    options: VerifierErrorDetails & {
      code: string;
      program: string;
      kind?: string | undefined;
      cause?: unknown;
    },
  ) {
    super(message, { code: options.code, cause: options.cause });
    this.program = options.program;
    this.kind = options.kind ?? "other";
    this.#details = options;
  }

  /** All lines that the verifier printed; empty ones are left out. */
  get log(): readonly string[] {
    return this.#details.log;
  }

  /** Why, in words that are the same on all kernels. */
  get problem(): string {
    return this.#details.problem ?? this.message;
  }

  /** Why, in the verifier's own words; empty where it gave none. */
  get reason(): string {
    return this.#details.reason ?? "";
  }

  /** What would help, undefined where that is not known. */
  get hint(): string | undefined {
    return this.#details.hint;
  }

  /** The instruction that matters: the refused one, or the one that what is missing was caused by. */
  get instruction(): RefusedInstruction | undefined {
    return this.#details.instruction;
  }

  /** The line of C of {@link VerifierError.instruction}, undefined without line records. */
  get source(): RefusedSource | undefined {
    return this.#details.source;
  }
}

/** What a {@link VerifierError} has to say, of which most is long. */
interface VerifierErrorDetails {
  log: readonly string[];
  problem?: string | undefined;
  reason?: string | undefined;
  hint?: string | undefined;
  instruction?: RefusedInstruction | undefined;
  source?: RefusedSource | undefined;
}
