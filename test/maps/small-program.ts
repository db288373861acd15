/**
 * Programs of a few instructions, for maps that only programs fill or that hold programs.
 *
 * @module
 */

import type { BpfMap } from "../../maps/index.ts";
import { assemble, type BuiltProgram, type Statement, setImm } from "../../src/asm/index.ts";
import { hostLittleEndian, viewOf } from "../../src/bytes.ts";
import { type ProgramLoadAttributes, programLoad } from "../../src/sys/bpf.ts";
import type { FileDescriptor } from "../../src/sys/fd.ts";

/** A loaded program, to be closed. */
export interface SmallProgram extends Disposable {
  readonly name: string;
  readonly fd: FileDescriptor;
}

/** Loads statements that refer to `maps` by their names. */
export function smallProgram(
  type: number,
  statements: readonly Statement[],
  maps: readonly BpfMap[] = [],
  expectedAttachType = 0,
): SmallProgram {
  const named = Object.fromEntries(maps.map((map) => [map.name, map]));
  const attributes = { type, name: "small", expectedAttachType };
  const fd = loadAssembled(assemble(statements), named, attributes);
  return { name: "small", fd, [Symbol.dispose]: () => fd.close() };
}

/** Loads instructions that refer to `maps` by these names. */
export function loadAssembled(
  { bytes, references }: BuiltProgram,
  maps: Readonly<Record<string, BpfMap>>,
  attributes: Omit<ProgramLoadAttributes, "instructions" | "license">,
): FileDescriptor {
  for (const { slot, name } of references) {
    setImm(viewOf(bytes), slot, hostLittleEndian, maps[name]!.fd.number);
  }
  const { fd, errno, log } = programLoad(
    { license: "GPL", ...attributes, instructions: bytes },
    { level: 1, size: 0x1_0000 },
  );
  if (fd === undefined) throw new Error(`errno ${errno}: ${log}`);
  return fd;
}
