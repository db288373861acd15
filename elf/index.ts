/**
 * Reading ELF64 files: `ElfFile` and what it gives out, with the format's named numbers.
 *
 * @module
 */

export {
  BpfRelocationType,
  FileType,
  Machine,
  SectionFlag,
  SectionIndex,
  SectionType,
  SegmentFlag,
  SegmentType,
  SymbolBinding,
  SymbolType,
  SymbolVisibility,
} from "./constants.ts";
export { ElfFile } from "./file.ts";
export { type ElfNote, elfNotes } from "./notes.ts";
export type { ElfRelocation } from "./relocation.ts";
export type { ElfSection } from "./section.ts";
export type { ElfSegment } from "./segment.ts";
export type { ElfSymbol } from "./symbol.ts";
