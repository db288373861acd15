/**
 * Reads .BTF.ext, which tells of an object's code what .BTF tells of its data: functions, source
 * lines, CO-RE records.
 *
 * Everything is listed by ELF section name and byte offset in that section; nothing is matched to
 * sections or programs here. From struct btf_ext_header and the records of
 * include/uapi/linux/bpf.h.
 *
 * @module
 */

import { viewOf } from "../src/bytes.ts";
import { BtfError } from "../src/error.ts";
import type { Btf } from "./btf.ts";
import { LineSection } from "./ext-lines.ts";
import { byteOrder } from "./header.ts";
import { hostWords } from "./walk.ts";

/** The records of one ELF section. */
export interface ExtSection<T> {
  readonly section: string;
  readonly records: T[];
}

/**
 * A function that begins `offset` bytes into its section; `type` is the id of its FUNC. struct
 * bpf_func_info.
 */
export interface FunctionInfo {
  readonly offset: number;
  readonly type: number;
}

/**
 * A CO-RE relocation of the instruction at `offset` bytes: what to find of the root type `type`.
 * struct bpf_core_relo.
 *
 * `accessor` is a path such as `0:1:2`, or `0` for the type itself; `kind` is one of enum
 * bpf_core_relo_kind.
 */
export interface CoreRecord {
  readonly offset: number;
  readonly type: number;
  readonly accessor: string;
  readonly kind: number;
}

/** The parts of .BTF.ext, each by section in the order of the file; an absent part is empty. */
export interface BtfExt {
  readonly functions: ExtSection<FunctionInfo>[];
  readonly lines: LineSection[];
  readonly relocations: ExtSection<CoreRecord>[];
}

/** Offsets in struct btf_ext_header; a part without records may lack its record size too. */
const HEADER = {
  version: 2,
  flags: 3,
  headerLength: 4,
  functions: 8,
  lines: 16,
  relocations: 24,
} as const;
const HEADER_LENGTH = 24;
/** Since LLVM 10; a shorter header has no CO-RE part. */
const HEADER_LENGTH_WITH_RELOCATIONS = 32;

/**
 * Bytes of the fields we know of each record; longer ones may come and are stepped over by their
 * own size.
 */
const FUNCTION_SIZE = 8;
const LINE_SIZE = 16;
const RELOCATION_SIZE = 16;

/**
 * Reads the section .BTF.ext of the object whose .BTF is `btf`.
 *
 * Throws BtfError when it is malformed.
 */
export function parseBtfExt(bytes: Uint8Array, btf: Btf): BtfExt {
  const view = viewOf(bytes);
  const little = byteOrder(view);
  if (little === undefined || bytes.length < HEADER_LENGTH) {
    throw new BtfError(`reading .BTF.ext: no header in ${bytes.length} bytes`, { offset: 0 });
  }
  const version = view.getUint8(HEADER.version);
  const flags = view.getUint8(HEADER.flags);
  if (version !== 1 || flags !== 0) {
    throw new BtfError(
      `reading .BTF.ext: version ${version}, flags ${flags}, where 1 and 0 are known`,
      {
        offset: HEADER.version,
      },
    );
  }
  const headerLength = view.getUint32(HEADER.headerLength, little);
  if (headerLength < HEADER_LENGTH || headerLength > bytes.length) {
    throw new BtfError(`reading .BTF.ext: header length ${headerLength} of ${bytes.length} bytes`, {
      offset: HEADER.headerLength,
    });
  }
  const reader: Reader = {
    view,
    little,
    btf,
    headerLength,
    words: hostWords(wholeWords(bytes.subarray(headerLength)), little),
  };
  return {
    functions: readPart(reader, "function", HEADER.functions, FUNCTION_SIZE, readFunctions),
    lines: readPart(reader, "line", HEADER.lines, LINE_SIZE, readLines),
    relocations:
      headerLength < HEADER_LENGTH_WITH_RELOCATIONS
        ? []
        : readPart(reader, "CO-RE", HEADER.relocations, RELOCATION_SIZE, readRelocations),
  };
}

function wholeWords(bytes: Uint8Array): Uint8Array {
  return bytes.length % 4 === 0 ? bytes : bytes.subarray(0, bytes.length & ~3);
}

interface Reader {
  readonly view: DataView;
  readonly little: boolean;
  readonly btf: Btf;
  readonly headerLength: number;
  /** What follows the header, which all offsets count from. */
  readonly words: Uint32Array;
}

/** Reads the `count` records of a section from word `first` on, one every `step` words. */
type ReadRecords<T> = (
  reader: Reader,
  section: string,
  first: number,
  step: number,
  count: number,
) => T;

function readPart<T>(
  reader: Reader,
  what: string,
  field: number,
  minimum: number,
  read: ReadRecords<T>,
): T[] {
  const { view, little, btf, headerLength, words } = reader;
  const offset = view.getUint32(field, little);
  const length = view.getUint32(field + 4, little);
  const start = headerLength + offset;
  const end = start + length;
  const found: T[] = [];
  if (length === 0) return found;
  if (offset % 4 !== 0 || length < 4 || end > view.byteLength) {
    throw new BtfError(
      `reading .BTF.ext: ${what} records at ${start} + ${length} of ${view.byteLength} bytes`,
      { offset: field },
    );
  }
  const size = view.getUint32(start, little);
  if (size < minimum || size % 4 !== 0) {
    throw new BtfError(
      `reading .BTF.ext: ${what} records of ${size} bytes, at least ${minimum} known`,
      {
        offset: start,
      },
    );
  }
  for (let at = start + 4; at < end; ) {
    // struct btf_ext_info_sec: name of the ELF section, number of records.
    const word = (at - headerLength) / 4;
    const count = at + 8 <= end ? words[word + 1]! : 0;
    if (count === 0 || at + 8 + count * size > end) {
      throw new BtfError(`reading .BTF.ext: ${count} ${what} records at byte ${at} of ${end}`, {
        offset: at,
      });
    }
    found.push(read(reader, btf.strings.name(words[word]!), word + 2, size / 4, count));
    at += 8 + count * size;
  }
  return found;
}

function readFunctions(
  reader: Reader,
  section: string,
  first: number,
  step: number,
  count: number,
): ExtSection<FunctionInfo> {
  const { words } = reader;
  const records: FunctionInfo[] = [];
  for (let at = first; records.length < count; at += step) {
    records.push({ offset: words[at]!, type: knownType(reader, at) });
  }
  return { section, records };
}

function readLines(
  reader: Reader,
  section: string,
  first: number,
  step: number,
  count: number,
): LineSection {
  const { btf, words } = reader;
  const { end } = btf.strings;
  const offsets = new Uint32Array(count);
  let ascending = true;
  let before = 0;
  for (let index = 0, at = first; index < count; index++, at += step) {
    const offset = words[at]!;
    if (offset < before) ascending = false;
    before = offset;
    offsets[index] = offset;
    if (words[at + 1]! >= end || words[at + 2]! >= end) throw unknownText(reader, at);
  }
  return new LineSection(section, btf, words, first, step, offsets, ascending);
}

function readRelocations(
  reader: Reader,
  section: string,
  first: number,
  step: number,
  count: number,
): ExtSection<CoreRecord> {
  const { btf, words } = reader;
  const records: CoreRecord[] = [];
  for (let at = first; records.length < count; at += step) {
    records.push({
      offset: words[at]!,
      type: knownType(reader, at),
      accessor: btf.strings.name(words[at + 2]!),
      kind: words[at + 3]!,
    });
  }
  return { section, records };
}

/** The type that the second word of a record names. */
function knownType({ btf, words, headerLength }: Reader, at: number): number {
  const id = words[at + 1]!;
  if (id >= btf.typeCount) {
    const offset = headerLength + at * 4;
    throw new BtfError(
      `reading .BTF.ext: record at byte ${offset} names type ${id} of ${btf.typeCount}`,
      { offset, typeId: id },
    );
  }
  return id;
}

function unknownText({ headerLength }: Reader, at: number): BtfError {
  const offset = headerLength + at * 4;
  return new BtfError(
    `reading .BTF.ext: record at byte ${offset} has a text past the end of strings`,
    { offset },
  );
}
