/**
 * Bounds and 64-bit numbers for the readers of this folder: turns what a file claims into numbers that are safe to use.
 *
 * @module
 */

import { ElfError } from "../src/error.ts";

/** Where something was read, for errors: a section, possibly before its name is known. */
export interface SectionPlace {
  readonly index: number;
  readonly name: string;
  /** First byte in the file. */
  readonly offset: number;
}

/** An {@link ElfError} about a section; `at` counts bytes from its beginning. */
export function sectionError(section: SectionPlace, problem: string, at = 0): ElfError {
  return new ElfError(`reading ${sectionLabel(section)}: ${problem}`, {
    offset: section.offset + at,
    section: section.name === "" ? undefined : section.name,
  });
}

/** How messages call a section. */
export function sectionLabel(section: SectionPlace): string {
  return section.name === "" ? `section ${section.index}` : `section ${section.name}`;
}

/**
 * A 64-bit size, offset or count as a number; above 2^53 it is an {@link ElfError} that names `what`. `base` is where the
 * view begins in the file.
 */
export function sizeAt(
  view: DataView,
  offset: number,
  little: boolean,
  what: string,
  base = 0,
): number {
  const size = addressAt(view, offset, little);
  if (Number.isNaN(size)) {
    throw new ElfError(`reading the ELF file: ${what} is above 2^53`, { offset: base + offset });
  }
  return size;
}

/** A 64-bit address as a number, or NaN above 2^53: addresses of a kernel do not fit, and must not be rounded. */
export function addressAt(view: DataView, offset: number, little: boolean): number {
  const low = view.getUint32(little ? offset : offset + 4, little);
  const high = view.getUint32(little ? offset + 4 : offset, little);
  return high < 0x20_0000 ? high * 0x1_0000_0000 + low : Number.NaN;
}

/** A signed 64-bit number, or NaN where it is beyond 2^53 either way. */
export function signedAt(view: DataView, offset: number, little: boolean): number {
  const low = view.getUint32(little ? offset : offset + 4, little);
  const high = view.getInt32(little ? offset + 4 : offset, little);
  const value = high * 0x1_0000_0000 + low;
  return Number.isSafeInteger(value) ? value : Number.NaN;
}

/** Whether `size` bytes from `offset` lie inside a file of `length` bytes. */
export function isInside(length: number, offset: number, size: number): boolean {
  return offset <= length && size <= length - offset;
}

/** Throws {@link ElfError} unless `size` bytes from `offset` lie inside a file of `length` bytes. */
export function checkRange(length: number, offset: number, size: number, what: string): void {
  if (!isInside(length, offset, size)) {
    throw new ElfError(
      `reading the ELF file: ${what} takes bytes ${offset} to ${offset + size}, but the file has ${length} bytes; is it cut off?`,
      { offset },
    );
  }
}
