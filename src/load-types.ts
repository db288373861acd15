/**
 * An object's own types for the kernel, and what they say of programs: functions and source lines.
 *
 * @module
 */

import { forKernel } from "../btf/index.ts";
import { BpfError, UnsupportedError } from "./error.ts";
import type { ObjectSpec, ProgramSpec } from "./spec/index.ts";
import { btfLoad, type ProgramLoadAttributes } from "./sys/bpf.ts";
import type { FileDescriptor } from "./sys/fd.ts";

/** What a kernel of the 5.x series may lack; ids do not move by leaving it out. */
const OLD_KERNEL = {
  floats: false,
  declTags: false,
  typeTags: false,
  enum64: false,
  questionMarks: false,
} as const;

/** Hands the types over; programs and maps do without them on kernels that refuse them, for the reason that `problem` is. */
export function loadTypes(
  { btf, layout }: Pick<ObjectSpec, "btf" | "layout">,
  token: FileDescriptor | undefined,
): { fd?: FileDescriptor; problem?: string } {
  if (btf === undefined) return {};
  let problem = "";
  for (const features of [{}, OLD_KERNEL]) {
    try {
      const bytes = forKernel(btf, layout, features);
      return btfLoad(bytes, { what: "types of the object", token });
    } catch (error) {
      // The kernel decides what it cannot do without; what it says of maps and programs then is the better message.
      if (!(error instanceof BpfError) || error instanceof UnsupportedError) throw error;
      problem = error.message;
    }
  }
  return { problem };
}

/** Functions and lines of a program in the kernel's records, with the types that they refer to. */
export function extInfo(
  program: ProgramSpec,
  btf: FileDescriptor | undefined,
): Pick<ProgramLoadAttributes, "btf" | "functionInfo" | "lineInfo"> {
  if (btf === undefined) return {};
  const functions = program.functions.filter(({ type }) => type !== 0);
  // The kernel wants a record for every function, or none at all.
  if (functions.length !== program.functions.length) return { btf };
  const functionInfo = new Uint32Array(functions.length * 2);
  for (const [index, { slot, type }] of functions.entries())
    functionInfo.set([slot, type], index * 2);
  const lineInfo = new Uint32Array(program.lines.length * 4);
  for (const [index, { slot, source }] of program.lines.entries()) {
    const { fileOffset, textOffset, line, column } = source;
    lineInfo.set([slot, fileOffset, textOffset, (line << 10) | column], index * 4);
  }
  return {
    btf,
    functionInfo: new Uint8Array(functionInfo.buffer),
    lineInfo: new Uint8Array(lineInfo.buffer),
  };
}
