/**
 * Makes a string section of BTF: each text once, at an offset that stays. Reading one is done in
 * strings.ts.
 *
 * @module
 */

const utf8 = new TextEncoder();

/** A string section that grows. */
export class StringWriter {
  readonly #start: number;
  readonly #offsets: Map<string, number> = new Map([["", 0]]);
  readonly #parts: Uint8Array[];
  #length: number;

  /**
   * Begins with the bytes `initial`; offsets count from `start`, the length of the base's strings
   * in split BTF.
   */
  constructor(initial: Uint8Array = new Uint8Array(1), start = 0) {
    this.#start = start;
    this.#parts = [initial];
    this.#length = initial.length;
  }

  /** The offset of a text, added if need be. Throws RangeError for a NUL character in it. */
  add(text: string): number {
    const known = this.#offsets.get(text);
    if (known !== undefined) return known;
    if (text.includes("\0")) {
      throw new RangeError(`adding ${JSON.stringify(text)} to BTF: a string must not hold NUL`);
    }
    const offset = this.#start + this.#length;
    const bytes = utf8.encode(`${text}\0`);
    this.#parts.push(bytes);
    this.#length += bytes.length;
    this.#offsets.set(text, offset);
    return offset;
  }

  /** The section as it is now. */
  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }
}
