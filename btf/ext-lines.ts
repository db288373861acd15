/**
 * Source lines of `.BTF.ext`, which stay as they are in the file until somebody reads them. Where they are, and that their
 * texts exist, is checked in ext.ts.
 *
 * @module
 */

import type { Btf } from "./btf.ts";

/**
 * The source line of the instructions from `offset` bytes on, until the next record. struct
 * bpf_line_info.
 *
 * `file` and `text` are read when asked for, at most 1024 bytes of each; `fileOffset` and
 * `textOffset` are their offsets there.
 */
export interface LineInfo {
  readonly offset: number;
  readonly file: string;
  readonly text: string;
  readonly line: number;
  readonly column: number;
  readonly fileOffset: number;
  readonly textOffset: number;
}

/**
 * Bytes of a file name or source line that are read; macros unfold to long ones, hostile objects to
 * endless ones.
 */
const MAX_TEXT = 1024;

/**
 * The lines of one ELF section. They come with each object by the hundred, and each function takes its own along into every
 * program that calls it; they are read to load a program or to explain its rejection.
 */
export class LineSection {
  readonly section: string;
  /** @internal Where each record applies, in the order of the file. */
  readonly offsets: Uint32Array;
  /** @internal Whether no record applies before the one that precedes it in the file. */
  readonly ascending: boolean;
  readonly #btf: Btf;
  readonly #words: Uint32Array;
  readonly #first: number;
  readonly #step: number;
  #records: LineInfo[] | undefined;

  /** Records begin at word `first`, one every `step` words; `offsets` are what they begin with. */
  constructor(
    section: string,
    btf: Btf,
    words: Uint32Array,
    first: number,
    step: number,
    offsets: Uint32Array,
    ascending: boolean,
  ) {
    this.section = section;
    this.offsets = offsets;
    this.ascending = ascending;
    this.#btf = btf;
    this.#words = words;
    this.#first = first;
    this.#step = step;
  }

  /** The same objects each time. */
  get records(): LineInfo[] {
    this.#records ??= this.#decode();
    return this.#records;
  }

  #decode(): LineInfo[] {
    const words = this.#words;
    const records: LineInfo[] = [];
    let at = this.#first;
    for (let index = 0; index < this.offsets.length; index++, at += this.#step) {
      records.push(new Line(this.#btf, words, at));
    }
    return records;
  }
}

class Line implements LineInfo {
  readonly offset: number;
  readonly fileOffset: number;
  readonly textOffset: number;
  readonly line: number;
  readonly column: number;
  readonly #btf: Btf;

  constructor(btf: Btf, words: Uint32Array, at: number) {
    const position = words[at + 3]!;
    this.#btf = btf;
    this.offset = words[at]!;
    this.fileOffset = words[at + 1]!;
    this.textOffset = words[at + 2]!;
    // BPF_LINE_INFO_LINE_NUM and BPF_LINE_INFO_LINE_COL: 22 and 10 bits.
    this.line = position >>> 10;
    this.column = position & 0x3ff;
  }

  get file(): string {
    return this.#btf.strings.get(this.fileOffset, MAX_TEXT);
  }

  get text(): string {
    return this.#btf.strings.get(this.textOffset, MAX_TEXT);
  }
}
