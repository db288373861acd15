/**
 * BTF blobs written by hand, word by word: what the reader is tested with must not come from the
 * writer beside it.
 *
 * @module
 */

/** The parts of a blob; numbers are words of the type section. */
export interface RawBtf {
  types?: readonly number[];
  /** The string section; NULs are written out. */
  strings?: string | Uint8Array;
  little?: boolean;
  version?: number;
  flags?: number;
  /** Bytes of the header that follow the 24 known to all kernels. */
  extraHeader?: readonly number[];
  /** Words between types and strings, the layout section. */
  layout?: readonly number[];
  /** Fields of the header that differ from what the parts say. */
  header?: { length?: number; typeLength?: number; stringOffset?: number; stringLength?: number };
}

/** The info word: kind, number of elements, kind flag. */
export function info(kind: number, count = 0, flag = false): number {
  return (((flag ? 0x80 : 0) | kind) << 24) + count;
}

/** The blob. */
export function rawBtf(parts: RawBtf): Uint8Array {
  const { types = [], little = true, layout = [], extraHeader = [], header = {} } = parts;
  const { strings: text = "\0" } = parts;
  const strings = typeof text === "string" ? new TextEncoder().encode(text) : text;
  const length = 24 + extraHeader.length;
  const stringOffset = (types.length + layout.length) * 4;
  const bytes = new Uint8Array(length + stringOffset + strings.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xeb9f, little);
  view.setUint8(2, parts.version ?? 1);
  view.setUint8(3, parts.flags ?? 0);
  view.setUint32(4, header.length ?? length, little);
  view.setUint32(8, 0, little);
  view.setUint32(12, header.typeLength ?? types.length * 4, little);
  view.setUint32(16, header.stringOffset ?? stringOffset, little);
  view.setUint32(20, header.stringLength ?? strings.length, little);
  bytes.set(extraHeader, 24);
  for (const [i, word] of [...types, ...layout].entries()) {
    view.setUint32(length + i * 4, word >>> 0, little);
  }
  bytes.set(strings, length + stringOffset);
  return bytes;
}

/** Words of .BTF.ext. */
export interface RawExt {
  little?: boolean;
  functions?: readonly number[];
  lines?: readonly number[];
  relocations?: readonly number[];
  headerLength?: number;
}

/**
 * A section .BTF.ext; each part is words: record size, then sections of name, count and records.
 */
export function rawExt(parts: RawExt): Uint8Array {
  const { little = true, functions = [], lines = [], relocations = [], headerLength = 32 } = parts;
  const words = [...functions, ...lines, ...relocations];
  const bytes = new Uint8Array(headerLength + words.length * 4);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xeb9f, little);
  view.setUint8(2, 1);
  view.setUint32(4, headerLength, little);
  let offset = 0;
  for (const [i, part] of [functions, lines, relocations].entries()) {
    if (8 + i * 8 + 8 > headerLength) break;
    view.setUint32(8 + i * 8, offset, little);
    view.setUint32(12 + i * 8, part.length * 4, little);
    offset += part.length * 4;
  }
  for (const [i, word] of words.entries()) {
    view.setUint32(headerLength + i * 4, word >>> 0, little);
  }
  return bytes;
}
