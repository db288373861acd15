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
import { byteOrder } from "./header.ts";

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
  readonly lines: ExtSection<LineInfo>[];
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
  const reader: Reader = { view, little, btf, headerLength };
  return {
    functions: readPart(reader, "function", HEADER.functions, FUNCTION_SIZE, readFunction),
    lines: readPart(reader, "line", HEADER.lines, LINE_SIZE, readLine),
    relocations:
      headerLength < HEADER_LENGTH_WITH_RELOCATIONS
        ? []
        : readPart(reader, "CO-RE", HEADER.relocations, RELOCATION_SIZE, readRelocation),
  };
}

interface Reader {
  readonly view: DataView;
  readonly little: boolean;
  readonly btf: Btf;
  readonly headerLength: number;
}

function readPart<T>(
  reader: Reader,
  what: string,
  field: number,
  minimum: number,
  read: (reader: Reader, at: number) => T,
): ExtSection<T>[] {
  const { view, little, btf, headerLength } = reader;
  const offset = view.getUint32(field, little);
  const length = view.getUint32(field + 4, little);
  const start = headerLength + offset;
  const end = start + length;
  const found: ExtSection<T>[] = [];
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
    const count = at + 8 <= end ? view.getUint32(at + 4, little) : 0;
    if (count === 0 || at + 8 + count * size > end) {
      throw new BtfError(`reading .BTF.ext: ${count} ${what} records at byte ${at} of ${end}`, {
        offset: at,
      });
    }
    const records: T[] = [];
    const section = btf.strings.name(view.getUint32(at, little));
    at += 8;
    for (let i = 0; i < count; i++, at += size) records.push(read(reader, at));
    found.push({ section, records });
  }
  return found;
}

function readFunction({ view, little, btf }: Reader, at: number): FunctionInfo {
  return {
    offset: view.getUint32(at, little),
    type: knownType(btf, view.getUint32(at + 4, little), at),
  };
}

function readLine({ view, little, btf }: Reader, at: number): LineInfo {
  return new Line(
    btf,
    view.getUint32(at, little),
    knownString(btf, view.getUint32(at + 4, little), at),
    knownString(btf, view.getUint32(at + 8, little), at),
    view.getUint32(at + 12, little),
  );
}

function readRelocation({ view, little, btf }: Reader, at: number): CoreRecord {
  return {
    offset: view.getUint32(at, little),
    type: knownType(btf, view.getUint32(at + 4, little), at),
    accessor: btf.strings.name(view.getUint32(at + 8, little)),
    kind: view.getUint32(at + 12, little),
  };
}

/**
 * Bytes of a file name or source line that are read; macros unfold to long ones, hostile objects to
 * endless ones.
 */
const MAX_TEXT = 1024;

/**
 * Lines by the thousand come with each object and are read only to explain a rejection, so their
 * texts stay unread.
 */
class Line implements LineInfo {
  readonly offset: number;
  readonly fileOffset: number;
  readonly textOffset: number;
  readonly line: number;
  readonly column: number;
  readonly #btf: Btf;

  constructor(btf: Btf, offset: number, file: number, text: number, position: number) {
    this.#btf = btf;
    this.offset = offset;
    this.fileOffset = file;
    this.textOffset = text;
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

function knownType(btf: Btf, id: number, at: number): number {
  if (id >= btf.typeCount) {
    throw new BtfError(
      `reading .BTF.ext: record at byte ${at} names type ${id} of ${btf.typeCount}`,
      {
        offset: at,
        typeId: id,
      },
    );
  }
  return id;
}

function knownString(btf: Btf, offset: number, at: number): number {
  if (offset >= btf.strings.end) {
    throw new BtfError(
      `reading .BTF.ext: record at byte ${at} has a text past the end of strings`,
      {
        offset: at,
      },
    );
  }
  return offset;
}
