/**
 * The calls that probes make: they create something small, close it at once, and return what the
 * kernel said.
 *
 * @module
 */

import { alu, assemble, exit, type Statement } from "../asm/index.ts";
import { SyscallError } from "../error.ts";
import {
  type BpfCommandName,
  btfLoad,
  type FileDescriptor,
  type MapCreateAttributes,
  mapCreate,
  type ProgramLoadAttributes,
  programLoad,
} from "../sys/bpf.ts";
import { bpfCall } from "../sys/bpf-call.ts";
import { native } from "../sys/ffi.ts";
import { type Layout, Struct } from "../sys/struct.ts";
import type { Result } from "./answer.ts";

/** A descriptor that no process has. */
export const NO_DESCRIPTOR = 0xffff_ffff;

/** The log of a program of a few instructions. */
const LOG = { level: 1, size: 8192 } as const;

let zero: Uint8Array | undefined;

/** The bytes of a program that returns 0. */
export function returnZero(): Uint8Array {
  zero ??= programOf([alu("r0", "=", 0), exit()]);
  return zero;
}

/** The bytes of a program, for this machine. */
export function programOf(statements: readonly Statement[]): Uint8Array {
  return assemble(statements).bytes;
}

/** What is loaded: GPL, so that no license stands in the way. */
export type ProgramAttempt = Omit<ProgramLoadAttributes, "license" | "instructions"> & {
  readonly instructions?: Uint8Array;
};

/** Loads a program with the verifier's log; an empty one means that the verifier was not reached. */
export function tryProgram(attempt: ProgramAttempt): { result: Result; log: string } {
  const attributes = { instructions: returnZero(), ...attempt, license: "GPL" };
  const { fd, errno, log } = programLoad(attributes, LOG);
  fd?.close();
  return { result: errno === 0 ? 0 : -errno, log };
}

/** Loads a program of any length: without a log, which could have no room. */
export function tryQuietly(attempt: ProgramAttempt): Result {
  return withProgram(attempt, () => 0);
}

/** Loads a program and hands it over while it is open; a refusal is a result. */
export function withProgram(
  attempt: ProgramAttempt,
  use: (program: FileDescriptor) => Result,
): Result {
  const { fd, errno } = programLoad({
    instructions: returnZero(),
    ...attempt,
    license: "GPL",
  });
  if (fd === undefined) return -errno;
  try {
    return use(fd);
  } finally {
    fd.close();
  }
}

/** Creates a map. */
export function tryMap(attributes: MapCreateAttributes): Result {
  return withMap(attributes, () => 0);
}

/** Creates a map and hands it over while it is open; a refusal is a result. */
export function withMap(
  attributes: MapCreateAttributes,
  use: (map: FileDescriptor) => Result,
): Result {
  return withDescriptor(() => mapCreate(attributes, "a map, to see whether the kernel can"), use);
}

/** Gives the kernel types and hands them over while they are open; a refusal is a result. */
export function withTypes(types: Uint8Array, use: (btf: FileDescriptor) => Result): Result {
  // A log is asked for, so that a refused blob is offered once.
  return withDescriptor(() => btfLoad(types, { logLevel: 1, logSize: 8192 }).fd, use);
}

/** A bpf(2) call of any command; a descriptor that it returns is closed. */
export function tryCommand<L extends Layout>(
  command: BpfCommandName,
  layout: L,
  fields: Partial<Record<keyof L & string, number | bigint>>,
  pointers: Partial<Record<keyof L & string, ArrayBufferView>> = {},
): Result {
  const attr = new Struct(layout);
  for (const [name, value] of Object.entries(fields)) attr.set(name, value as number | bigint);
  for (const [name, bytes] of Object.entries(pointers)) attr.point(name, bytes as ArrayBufferView);
  const result = bpfCall(command, attr);
  if (result >= 0 && OPENS.has(command)) native().close(result);
  return result;
}

const OPENS: ReadonlySet<BpfCommandName> = new Set(["LINK_CREATE", "ITER_CREATE", "TOKEN_CREATE"]);

function withDescriptor(
  open: () => FileDescriptor,
  use: (descriptor: FileDescriptor) => Result,
): Result {
  let descriptor: FileDescriptor;
  try {
    descriptor = open();
  } catch (error) {
    if (error instanceof SyscallError) return -error.errno;
    throw error;
  }
  try {
    return use(descriptor);
  } finally {
    descriptor.close();
  }
}
