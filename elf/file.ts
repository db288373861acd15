/**
 * An ELF file in memory: sections by name and index, their bytes, symbols and relocations. Knows nothing of BPF, and
 * reads compiled BPF objects, host executables and kernel images alike.
 *
 * Parsing decodes the header and section headers and nothing else; the rest is read from `bytes` when it is asked for,
 * without copies, so the bytes must not change while the file is in use.
 *
 * @module
 */

import { viewOf } from "../src/bytes.ts";
import { SectionFlag, SectionType } from "./constants.ts";
import { type ElfHeader, hasElfMagic, parseHeader } from "./header.ts";
import { isInside, sectionError } from "./read.ts";
import { type ElfRelocation, parseRelocations, relocationSize } from "./relocation.ts";
import { type ElfSection, parseSections } from "./section.ts";
import { type ElfSegment, parseSegments } from "./segment.ts";
import { StringTable } from "./string-table.ts";
import {
  type ElfSymbol,
  parseSymbols,
  type SymbolTableParts,
  symbolEntry,
  symbolsNamed,
} from "./symbol.ts";

const utf8 = new TextEncoder();

/** A parsed ELF64 file of either byte order, any machine and any type. */
export class ElfFile {
  readonly bytes: Uint8Array;
  readonly littleEndian: boolean;
  /** A {@link FileType}. */
  readonly type: number;
  /** A {@link Machine}. */
  readonly machine: number;
  /** Machine-specific flags (`e_flags`). */
  readonly flags: number;
  /** Address of the first instruction, 0 where there is none. */
  readonly entry: bigint;
  /** All sections, the null section first, so that places are section indices; empty in files stripped of them. */
  readonly sections: readonly ElfSection[];

  readonly #view: DataView;
  readonly #header: ElfHeader;
  readonly #byName = new Map<string, ElfSection>();
  readonly #tables = new Map<number, SymbolTableParts | undefined>();
  readonly #symbols = new Map<number, readonly ElfSymbol[]>();
  #segments: readonly ElfSegment[] | undefined;

  /** Use {@link ElfFile.parse}. */
  private constructor(bytes: Uint8Array) {
    this.#header = parseHeader(bytes);
    this.#view = viewOf(bytes);
    this.bytes = bytes;
    this.littleEndian = this.#header.littleEndian;
    this.type = this.#header.type;
    this.machine = this.#header.machine;
    this.flags = this.#header.flags;
    this.entry = this.#header.entry;
    this.sections = parseSections(bytes, this.#view, this.#header);
    for (const section of this.sections) {
      if (section.index !== 0 && !this.#byName.has(section.name)) {
        this.#byName.set(section.name, section);
      }
    }
  }

  /** Whether the bytes begin as an ELF file does, of whatever class; reads four bytes. */
  static isElf(bytes: Uint8Array): boolean {
    return hasElfMagic(bytes);
  }

  /**
   * Parses the header and section headers of a file that begins at the first byte; what follows its end is ignored.
   *
   * Throws {@link ElfError} when the bytes are not ELF64, are cut off, or contradict themselves.
   */
  static parse(bytes: Uint8Array): ElfFile {
    if (!(bytes instanceof Uint8Array)) {
      throw new TypeError("ElfFile.parse needs the file's bytes as a Uint8Array");
    }
    // A Buffer would pass its own kind on to all views made of it, with another `slice`.
    return new ElfFile(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  }

  /** The first section of that name. */
  section(name: string): ElfSection | undefined {
    return this.#byName.get(name);
  }

  /** Program headers, read once, when first asked for; throws {@link ElfError} if they are not inside the file. */
  get segments(): readonly ElfSegment[] {
    this.#segments ??= parseSegments(this.#view, this.#header);
    return this.#segments;
  }

  /**
   * A view of a section's bytes, not a copy; empty for NULL and NOBITS sections.
   *
   * Throws {@link ElfError} when they lie outside the file or are compressed.
   */
  data(section: ElfSection): Uint8Array {
    if (section.type === SectionType.NULL || section.type === SectionType.NOBITS) {
      return new Uint8Array(0);
    }
    if ((section.flags & SectionFlag.COMPRESSED) !== 0) {
      throw sectionError(
        section,
        "it is compressed; objcopy --decompress-debug-sections undoes that",
      );
    }
    if (section.size === 0) return new Uint8Array(0);
    const { length } = this.bytes;
    if (!isInside(length, section.offset, section.size)) {
      throw sectionError(
        section,
        `it takes ${section.size} bytes from ${section.offset}, but the file has ${length}; is it cut off?`,
      );
    }
    return this.bytes.subarray(section.offset, section.offset + section.size);
  }

  /** The symbols of `.symtab` in table order, read once, when first asked for; empty without one. */
  get symbols(): readonly ElfSymbol[] {
    return this.#symbolsOf(SectionType.SYMTAB);
  }

  /** The symbols of `.dynsym` in table order, read once, when first asked for; empty without one. */
  get dynamicSymbols(): readonly ElfSymbol[] {
    return this.#symbolsOf(SectionType.DYNSYM);
  }

  /** Symbols of exactly this name, first those of `.symtab`, then of `.dynsym`; does not decode the tables for it. */
  symbolsNamed(name: string): ElfSymbol[] {
    const wanted = utf8.encode(name);
    return [SectionType.SYMTAB, SectionType.DYNSYM].flatMap((type) => {
      const table = this.#table(type);
      return table === undefined ? [] : symbolsNamed(table, wanted);
    });
  }

  /**
   * The entries of a REL or RELA section in file order, decoded anew by each call.
   *
   * Throws {@link ElfError} when the section is neither, or names symbols that its symbol table has not.
   */
  relocations(section: ElfSection): readonly ElfRelocation[] {
    const addends = section.type === SectionType.RELA;
    if (!addends && section.type !== SectionType.REL) {
      throw sectionError(section, `it holds no relocations`);
    }
    return parseRelocations({
      section,
      entries: viewOf(this.#entries(section, relocationSize(addends))),
      little: this.littleEndian,
      addends,
      symbolCount: this.#linkedSymbolCount(section),
    });
  }

  #linkedSymbolCount(section: ElfSection): number {
    const linked = this.sections[section.link];
    if (linked === undefined) {
      throw sectionError(
        section,
        `its symbols are in section ${section.link} of ${this.sections.length}`,
      );
    }
    const isTable = linked.type === SectionType.SYMTAB || linked.type === SectionType.DYNSYM;
    return isTable ? Math.floor(linked.size / symbolEntry.size) : 0;
  }

  #symbolsOf(type: number): readonly ElfSymbol[] {
    let symbols = this.#symbols.get(type);
    if (symbols === undefined) {
      const table = this.#table(type);
      symbols = table === undefined ? [] : parseSymbols(table);
      this.#symbols.set(type, symbols);
    }
    return symbols;
  }

  /** The parts of the first symbol table of a type; undefined without one. */
  #table(type: number): SymbolTableParts | undefined {
    if (!this.#tables.has(type)) this.#tables.set(type, this.#findTable(type));
    return this.#tables.get(type);
  }

  #findTable(type: number): SymbolTableParts | undefined {
    const section = this.sections.find((candidate) => candidate.type === type);
    if (section === undefined) return undefined;
    const strings = this.sections[section.link];
    if (strings?.type !== SectionType.STRTAB) {
      throw sectionError(
        section,
        `its names are in section ${section.link}, which is no string table`,
      );
    }
    const extended = this.sections.find(
      (candidate) =>
        candidate.type === SectionType.SYMTAB_SHNDX && candidate.link === section.index,
    );
    return {
      section,
      entries: viewOf(this.#entries(section, symbolEntry.size)),
      little: this.littleEndian,
      strings: new StringTable(this.data(strings), strings),
      extended: extended === undefined ? undefined : viewOf(this.data(extended)),
      sectionCount: this.sections.length,
    };
  }

  /** A section's bytes, which must be a whole number of entries of this size. */
  #entries(section: ElfSection, size: number): Uint8Array {
    const bytes = this.data(section);
    // Some old tools leave the entry size empty.
    const declared = section.entrySize === 0 ? size : section.entrySize;
    if (declared !== size || bytes.length % size !== 0) {
      throw sectionError(
        section,
        `${bytes.length} bytes in entries of ${declared}, where entries have ${size}`,
      );
    }
    return bytes;
  }
}
