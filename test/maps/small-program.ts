/**
 * Programs of a few instructions, for maps that only programs fill or that hold programs.
 *
 * @module
 */

import type { BpfMap } from "../../maps/index.ts";
import { assemble, type Statement, setImm } from "../../src/asm/index.ts";
import { hostLittleEndian, viewOf } from "../../src/bytes.ts";
import { programLoad } from "../../src/sys/bpf.ts";
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
  const { bytes, references } = assemble(statements);
  for (const { slot, name } of references) {
    const map = maps.find((each) => each.name === name);
    setImm(viewOf(bytes), slot, hostLittleEndian, map!.fd.number);
  }
  const { fd, errno, log } = programLoad(
    { type, license: "GPL", name: "small", instructions: bytes, expectedAttachType },
    { level: 1, size: 0x1_0000 },
  );
  if (fd === undefined) throw new Error(`errno ${errno}: ${log}`);
  return { name: "small", fd, [Symbol.dispose]: () => fd.close() };
}
