/**
 * Notes of static probes, as `sys/sdt.h` leaves them in section `.note.stapsdt`: where a probe is, and how its arguments were
 * written down by the compiler. It does not read the arguments.
 *
 * @module
 */

import { type ElfFile, type ElfNote, type ElfSection, elfNotes } from "../elf/index.ts";
import { cstring, viewOf } from "../src/bytes.ts";
import { ElfError } from "../src/error.ts";

/** `NT_STAPSDT` of the owner `stapsdt`: https://sourceware.org/systemtap/wiki/UserSpaceProbeImplementation. */
const OWNER = "stapsdt";
const TYPE = 3;
/** Three addresses come before three strings. */
const ADDRESSES = 24;
/** Larger sections are refused: what has probes has some hundreds. */
const LARGEST_SECTION = 2 ** 26;
/** Longer ones are no probe's: 12 arguments take some 200 characters. */
const LONGEST_TEXT = 4096;

/** One note; addresses are those of the file, after what prelinking did to it. */
export interface UsdtNote {
  readonly provider: string;
  readonly name: string;
  /** Of the instruction. */
  readonly address: number;
  /** Of the counter that tells the program that somebody looks, 0 for none. */
  readonly semaphore: number;
  /** Such as `-4@%eax 8@-16(%rbp)`. */
  readonly argumentText: string;
  /** First byte of the note in the file. */
  readonly noteOffset: number;
}

/** A note that cannot be used. */
export interface UnreadableNote {
  /** First byte of the note, or of what is no note, in the file. */
  readonly noteOffset: number | undefined;
  readonly reason: string;
}

/** All notes of static probes, and those that are damaged. @throws ElfError when a section of them is outside the file. */
export function readUsdtNotes(file: ElfFile): {
  notes: UsdtNote[];
  unreadable: UnreadableNote[];
} {
  const notes: UsdtNote[] = [];
  const unreadable: UnreadableNote[] = [];
  const base = file.section(".stapsdt.base")?.address64 ?? 0n;
  for (const section of file.sections) {
    if (section.name !== ".note.stapsdt") continue;
    requireSize(section);
    try {
      for (const note of elfNotes(file, section)) {
        if (note.name !== OWNER || note.type !== TYPE) continue;
        const read = readNote(note, file.littleEndian, base);
        if (typeof read !== "string") notes.push(read);
        else unreadable.push({ noteOffset: note.offset, reason: read });
      }
    } catch (error) {
      // Behind a note of the wrong length nothing is found again.
      if (!(error instanceof ElfError) || error.offset === undefined) throw error;
      unreadable.push({ noteOffset: error.offset, reason: error.message });
    }
  }
  return { notes, unreadable };
}

function requireSize({ name, size, offset }: ElfSection): void {
  if (size <= LARGEST_SECTION) return;
  throw new ElfError(
    `reading section ${name}: ${size} bytes are beyond the ${LARGEST_SECTION} that are read`,
    { offset, section: name },
  );
}

/** The note, or what is wrong with it. */
function readNote(
  { description, offset }: ElfNote,
  little: boolean,
  sectionBase: bigint,
): UsdtNote | string {
  if (description.length < ADDRESSES) return `it has ${description.length} bytes`;
  const view = viewOf(description);
  const base = view.getBigUint64(8, little);
  // Prelinking moves the section .stapsdt.base, and does not change the notes.
  const moved = sectionBase === 0n || base === 0n ? 0n : sectionBase - base;
  const address = Number(view.getBigUint64(0, little) + moved);
  const counter = view.getBigUint64(16, little);
  const semaphore = counter === 0n ? 0 : Number(counter + moved);
  if (!isAddress(address) || !isAddress(semaphore)) {
    return "its addresses are none that a file can have";
  }
  const texts: string[] = [];
  let at = ADDRESSES;
  for (const what of ["provider", "name", "arguments"]) {
    const end = description.indexOf(0, at);
    if (end === -1) return `its ${what} has no end`;
    if (end - at > LONGEST_TEXT) return `its ${what} has ${end - at} bytes`;
    texts.push(cstring(description.subarray(at, end)));
    at = end + 1;
  }
  const [provider = "", name = "", text = ""] = texts;
  if (provider === "" || name === "") return "it has no provider or no name";
  return {
    provider,
    name,
    address,
    semaphore,
    // dtrace(1) of SystemTap writes a colon where there are no arguments.
    argumentText: text.startsWith(":") ? "" : text,
    noteOffset: offset,
  };
}

function isAddress(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
