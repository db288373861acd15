/**
 * The outside of a BTF blob, read and written: byte order, and where types, strings and layout lie.
 * Types are not read here.
 *
 * From struct btf_header of include/uapi/linux/btf.h. A header may be longer than known, as long as
 * the rest is zero: whatever a non-zero rest means, ignoring it could misread the types.
 *
 * @module
 */

import { hostLittleEndian, viewOf } from "../src/bytes.ts";
import { BtfError } from "../src/error.ts";
import { MAGIC } from "./kind.ts";

/** Offsets in struct btf_header; the layout fields exist since K 7.1. */
const HEADER = {
  magic: 0,
  version: 2,
  flags: 3,
  headerLength: 4,
  typeOffset: 8,
  typeLength: 12,
  stringOffset: 16,
  stringLength: 20,
  layoutOffset: 24,
  layoutLength: 28,
} as const;

/** Length of the header without layout fields, which every kernel understands. */
const HEADER_LENGTH = 24;
const HEADER_LENGTH_WITH_LAYOUT = 32;

/** The parts of a BTF blob, as views of it. */
export interface BtfParts {
  readonly bytes: Uint8Array;
  readonly littleEndian: boolean;
  /** The type section, a multiple of 4 bytes. */
  readonly types: Uint8Array;
  /** The string section. */
  readonly strings: Uint8Array;
  /**
   * Sizes of all kinds that the writer knew: one struct btf_layout of 4 bytes a kind; empty before
   * K 7.1.
   */
  readonly layout: Uint8Array;
}

/**
 * The byte order that the magic number of .BTF or .BTF.ext tells, true for little endian; undefined
 * for no magic.
 */
export function byteOrder(view: DataView): boolean | undefined {
  if (view.byteLength < 2) return undefined;
  if (view.getUint16(HEADER.magic, true) === MAGIC) return true;
  if (view.getUint16(HEADER.magic, false) === MAGIC) return false;
  return undefined;
}

/**
 * Reads the header of a BTF blob.
 *
 * Throws BtfError when it is none, or its parts do not lie inside of it.
 */
export function parseHeader(blob: Uint8Array): BtfParts {
  const view = viewOf(blob);
  // Without the ways of its own that a Node Buffer has: its `slice` does not copy.
  const bytes = new Uint8Array(blob.buffer, blob.byteOffset, blob.byteLength);
  const little = byteOrder(view);
  if (little === undefined) {
    throw new BtfError(`reading BTF: no magic number in the first two of ${bytes.length} bytes`, {
      offset: 0,
    });
  }
  if (bytes.length < HEADER_LENGTH) {
    throw new BtfError(`reading BTF: ${bytes.length} bytes are too few for a header`, {
      offset: 0,
    });
  }
  const version = view.getUint8(HEADER.version);
  const flags = view.getUint8(HEADER.flags);
  if (version !== 1 || flags !== 0) {
    throw new BtfError(`reading BTF: version ${version}, flags ${flags}, where 1 and 0 are known`, {
      offset: HEADER.version,
    });
  }
  const length = view.getUint32(HEADER.headerLength, little);
  if (length < HEADER_LENGTH || length > bytes.length) {
    throw new BtfError(`reading BTF: header length ${length} of ${bytes.length} bytes`, {
      offset: HEADER.headerLength,
    });
  }
  const hasLayout = length >= HEADER_LENGTH_WITH_LAYOUT;
  for (let at = hasLayout ? HEADER_LENGTH_WITH_LAYOUT : HEADER_LENGTH; at < length; at++) {
    if (bytes[at] !== 0) {
      throw new BtfError(`reading BTF: unknown header field at byte ${at} is not zero`, {
        offset: at,
      });
    }
  }

  const part = (what: string, offset: number, size: number, alignment: number): Uint8Array => {
    if (offset % alignment !== 0 || size % alignment !== 0) {
      throw new BtfError(
        `reading BTF: ${what} at ${offset} + ${size} not aligned to ${alignment}`,
        {
          offset: length + offset,
        },
      );
    }
    if (length + offset + size > bytes.length) {
      throw new BtfError(`reading BTF: ${what} at ${offset} + ${size} past the end`, {
        offset: length + offset,
      });
    }
    return bytes.subarray(length + offset, length + offset + size);
  };
  const typesEnd =
    view.getUint32(HEADER.typeOffset, little) + view.getUint32(HEADER.typeLength, little);
  const stringOffset = view.getUint32(HEADER.stringOffset, little);
  const layoutOffset = hasLayout ? view.getUint32(HEADER.layoutOffset, little) : 0;
  const layoutLength = hasLayout ? view.getUint32(HEADER.layoutLength, little) : 0;
  // The order is part of the format: types, layout, strings. The kernel refuses any other.
  if (typesEnd > stringOffset) {
    throw new BtfError(
      `reading BTF: types end at ${typesEnd}, past the strings' start ${stringOffset}`,
      {
        offset: HEADER.typeOffset,
      },
    );
  }
  if (layoutLength > 0 && (layoutOffset < typesEnd || layoutOffset + layoutLength > stringOffset)) {
    throw new BtfError(
      `reading BTF: layout at ${layoutOffset} + ${layoutLength} not between types and strings`,
      { offset: HEADER.layoutOffset },
    );
  }
  return {
    bytes,
    littleEndian: little,
    types: part(
      "type section",
      view.getUint32(HEADER.typeOffset, little),
      view.getUint32(HEADER.typeLength, little),
      4,
    ),
    strings: part("string section", stringOffset, view.getUint32(HEADER.stringLength, little), 1),
    layout:
      layoutLength === 0 ? bytes.subarray(0, 0) : part("layout", layoutOffset, layoutLength, 4),
  };
}

/**
 * A blob of `types` and `strings` behind a header that every kernel understands; `types` are words
 * in host order.
 */
export function assemble(
  types: ArrayLike<number>,
  strings: Uint8Array,
  little: boolean = hostLittleEndian,
): Uint8Array {
  const typeLength = types.length * 4;
  const bytes = new Uint8Array(HEADER_LENGTH + typeLength + strings.length);
  const view = viewOf(bytes);
  view.setUint16(HEADER.magic, MAGIC, little);
  view.setUint8(HEADER.version, 1);
  view.setUint32(HEADER.headerLength, HEADER_LENGTH, little);
  view.setUint32(HEADER.typeLength, typeLength, little);
  view.setUint32(HEADER.stringOffset, typeLength, little);
  view.setUint32(HEADER.stringLength, strings.length, little);
  if (little === hostLittleEndian) {
    new Uint32Array(bytes.buffer, HEADER_LENGTH, types.length).set(types);
  } else {
    for (let i = 0; i < types.length; i++) view.setUint32(HEADER_LENGTH + i * 4, types[i]!, little);
  }
  bytes.set(strings, HEADER_LENGTH + typeLength);
  return bytes;
}
