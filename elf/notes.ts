/**
 * Notes: what tools leave in ELF files for other tools, each with an owner's name, a type and bytes. What the bytes mean is the
 * owner's business.
 *
 * @module
 */

import { alignUp, cstring, viewOf } from "../src/bytes.ts";
import { SectionType } from "./constants.ts";
import type { ElfFile } from "./file.ts";
import { isInside, sectionError } from "./read.ts";
import type { ElfSection } from "./section.ts";

/** Offsets of the members of `struct elf64_note` (include/uapi/linux/elf.h), and its size. */
const header = { nameSize: 0, size: 4, type: 8, bytes: 12 } as const;

/** One note. */
export interface ElfNote {
  /** First byte of the note in the file. */
  readonly offset: number;
  /** The owner, such as `GNU` or `stapsdt`. */
  readonly name: string;
  /** A number that the owner gives a meaning to. */
  readonly type: number;
  /** A view, not a copy. */
  readonly description: Uint8Array;
}

/**
 * The notes of a section, in file order, decoded as they are asked for.
 *
 * @throws ElfError when the section holds no notes or one of them goes beyond its end.
 */
export function* elfNotes(file: ElfFile, section: ElfSection): Generator<ElfNote> {
  if (section.type !== SectionType.NOTE) throw sectionError(section, "it holds no notes");
  const bytes = file.data(section);
  const view = viewOf(bytes);
  const { littleEndian } = file;
  // Four bytes everywhere but in notes of the GNU kind, whose sections say so.
  const alignment = section.alignment === 8 ? 8 : 4;
  for (let at = 0; at < bytes.length; ) {
    if (!isInside(bytes.length, at, header.bytes)) {
      throw sectionError(section, `${bytes.length - at} bytes at its end are no note`, at);
    }
    const nameSize = view.getUint32(at + header.nameSize, littleEndian);
    const size = view.getUint32(at + header.size, littleEndian);
    const name = at + header.bytes;
    const start = alignUp(name + nameSize, alignment);
    if (!isInside(bytes.length, name, nameSize) || !isInside(bytes.length, start, size)) {
      throw sectionError(
        section,
        `the note has a name of ${nameSize} bytes and ${size} bytes more, beyond its end`,
        at,
      );
    }
    yield {
      offset: section.offset + at,
      name: cstring(bytes.subarray(name, name + nameSize)),
      type: view.getUint32(at + header.type, littleEndian),
      description: bytes.subarray(start, start + size),
    };
    at = alignUp(start + size, alignment);
  }
}
