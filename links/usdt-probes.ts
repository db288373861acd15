/**
 * Lists the static probes (USDT) of executables and libraries, with places in the file as the kernel wants them.
 *
 * @module
 */

import { type ElfFile, SegmentType } from "../elf/index.ts";
import { checkOptions } from "../src/options.ts";
import { TargetError } from "../src/target-error.ts";
import { requireProcess } from "./arguments.ts";
import { Executable, requireFile } from "./executable.ts";
import { resolveBinary } from "./library.ts";
import { parseUsdtArguments, type UsdtArgument } from "./usdt-arguments.ts";
import { readUsdtNotes, type UnreadableNote, type UsdtNote } from "./usdt-notes.ts";

/** One place of a static probe. One probe may have many, each with its arguments in places of its own. */
export interface UsdtProbe {
  readonly provider: string;
  readonly name: string;
  /** Of the instruction, as `objdump` prints addresses. */
  readonly address: number;
  /** Of the instruction, bytes in the file. */
  readonly offset: number;
  /** Of the counter that the kernel raises while somebody looks, bytes in the file; undefined where there is none. */
  readonly semaphore: number | undefined;
  /** As the file has them, such as `-4@%eax 8@-16(%rbp)`. */
  readonly argumentText: string;
  readonly arguments: readonly UsdtArgument[];
}

/** The static probes of a file, and notes that are damaged or name no place in it. */
export interface UsdtProbes {
  readonly path: string;
  readonly probes: readonly UsdtProbe[];
  readonly unreadable: readonly UnreadableNote[];
}

/** Whose library a bare name means. */
export interface UsdtProbesOptions {
  /** The process among whose files a bare name is looked up. */
  pid?: number;
}

/**
 * The static probes of a file, in its order: none where it was built without. `file` is a path, `/proc/PID/root/…`, a bare name such
 * as `libc.so.6`, or an {@link Executable}. No privileges are needed.
 *
 * @throws TargetError for a file that is not there or cannot be read; ElfError for a damaged one.
 */
export function usdtProbes(file: string | Executable, options: UsdtProbesOptions = {}): UsdtProbes {
  checkOptions("usdtProbes", options, ["pid"]);
  requireFile(file, "usdtProbes");
  requireProcess(options.pid);
  const executable =
    typeof file === "string" ? Executable.open(resolveBinary(file, options.pid)) : file;
  const { elf, path } = executable;
  const { notes, unreadable } = readUsdtNotes(elf);
  const probes: UsdtProbe[] = [];
  for (const note of notes) {
    try {
      probes.push(probeOf(note, executable));
    } catch (error) {
      if (!(error instanceof TargetError)) throw error;
      unreadable.push({ noteOffset: note.noteOffset, reason: error.message });
    }
  }
  return { path, probes, unreadable };
}

function probeOf(note: UsdtNote, executable: Executable): UsdtProbe {
  const { provider, name, address, semaphore, argumentText } = note;
  return {
    provider,
    name,
    address,
    offset: executable.fileOffset(address),
    semaphore: semaphore === 0 ? undefined : counterOffset(executable.elf, semaphore, note),
    argumentText,
    arguments: parseUsdtArguments(argumentText, executable.elf.machine),
  };
}

function counterOffset(file: ElfFile, address: number, { provider, name }: UsdtNote): number {
  for (const { type, address: start, fileSize, offset } of file.segments) {
    const inside = address - start;
    if (type === SegmentType.LOAD && inside >= 0 && inside < fileSize) return offset + inside;
  }
  throw new TargetError(
    `the semaphore of ${provider}:${name} is at 0x${address.toString(16)}, in no load segment of the file`,
    { code: "ERR_TARGET", target: `${provider}:${name}` },
  );
}
