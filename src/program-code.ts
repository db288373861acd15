/**
 * The instructions of a program as the kernel runs them, with the functions and source lines that it was loaded with.
 *
 * Printing them is the business of `print` in `ebpf/asm`.
 *
 * @module
 */

import { type Btf, Kind } from "../btf/index.ts";
import { decodeAll, type Instruction, SLOT } from "./asm/index.ts";
import { hostLittleEndian, viewOf } from "./bytes.ts";
import { BpfError } from "./error.ts";
import { askProgram, PROGRAM_INFO } from "./program-info.ts";
import type { FileDescriptor } from "./sys/fd.ts";

/** `struct bpf_func_info` and `struct bpf_line_info`, as far as they are known here. */
const FUNCTION_RECORD = 8;
const LINE_RECORD = 16;
/** `line_col`: the line in the upper 22 bits, the column below. */
const COLUMN_BITS = 10;

/** Instructions as the verifier left them. */
export interface ProgramCode {
  /** Slots of 8 bytes in the machine's byte order; addresses of the kernel are left out. */
  readonly bytes: Uint8Array;
  readonly instructions: readonly Instruction[];
  /** Functions by their first slot; without BTF there are none. Linux 5.0. */
  readonly functions: readonly { readonly slot: number; readonly name: string }[];
  /** Source lines by the first slot of each; without BTF there are none. Linux 5.0. */
  readonly lines: readonly CodeLine[];
}

/** The source of the instructions from a slot on. */
export interface CodeLine {
  readonly slot: number;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

/** A record of function information. */
export interface FunctionRecord {
  readonly slot: number;
  /** BTF id of the FUNC. */
  readonly type: number;
}

/**
 * Reads the instructions of a program. `types` opens the BTF that it was loaded with, undefined for none.
 *
 * @throws BpfError with code `ERR_RESTRICTED` when the kernel does not show them: the caller lacks CAP_BPF, or constants are
 *   blinded and `kernel.kptr_restrict` hides addresses; SyscallError.
 */
export function programCode(
  program: FileDescriptor,
  what: string,
  types: () => Btf | undefined,
  ask: typeof askProgram = askProgram,
): ProgramCode {
  const sizes = ask(program).view;
  const count = (member: keyof typeof PROGRAM_INFO) =>
    sizes.getUint32(PROGRAM_INFO[member], hostLittleEndian);
  const bytes = room(count("xlated_prog_len"));
  if (bytes.length > 0) {
    ask(program, [
      { pointer: "xlated_prog_insns", count: "xlated_prog_len", room: bytes.length, bytes },
    ]);
  }
  // No instruction is all zero: the kernel wrote nothing.
  if (bytes.length === 0 || bytes.subarray(0, SLOT).every((byte) => byte === 0)) {
    throw new BpfError(
      `read the instructions of ${what}: the kernel does not show them; it takes CAP_BPF, and where constants are blinded ` +
        "(net.core.bpf_jit_harden) also kernel.kptr_restrict 0, or 1 with CAP_SYSLOG",
      { code: "ERR_RESTRICTED" },
    );
  }
  const btf = count("nr_func_info") + count("nr_line_info") === 0 ? undefined : types();
  return {
    bytes,
    instructions: decodeAll(bytes, hostLittleEndian),
    functions: btf === undefined ? [] : functionsOf(program, count("nr_func_info"), btf),
    lines: btf === undefined ? [] : linesOf(program, count("nr_line_info"), btf),
  };
}

/** Memory that the kernel may write to: it does not move. */
function room(size: number): Uint8Array {
  return new Uint8Array(new ArrayBuffer(size));
}

/** Function information of a program, empty without BTF. */
export function functionRecords(program: FileDescriptor): FunctionRecord[] {
  const { view } = askProgram(program);
  return readFunctions(program, view.getUint32(PROGRAM_INFO.nr_func_info, hostLittleEndian));
}

function readFunctions(program: FileDescriptor, count: number): FunctionRecord[] {
  if (count === 0) return [];
  const bytes = room(count * FUNCTION_RECORD);
  askProgram(program, [
    {
      pointer: "func_info",
      count: "nr_func_info",
      room: count,
      bytes,
      recordSize: ["func_info_rec_size", FUNCTION_RECORD],
    },
  ]);
  const view = viewOf(bytes);
  return Array.from({ length: count }, (_, index) => ({
    slot: view.getUint32(index * FUNCTION_RECORD, hostLittleEndian),
    type: view.getUint32(index * FUNCTION_RECORD + 4, hostLittleEndian),
  }));
}

function functionsOf(program: FileDescriptor, count: number, btf: Btf): ProgramCode["functions"] {
  return readFunctions(program, count).map(({ slot, type }) => ({
    slot,
    name: btf.kind(type) === Kind.FUNC ? btf.name(type) : "",
  }));
}

function linesOf(program: FileDescriptor, count: number, btf: Btf): CodeLine[] {
  if (count === 0) return [];
  const bytes = room(count * LINE_RECORD);
  askProgram(program, [
    {
      pointer: "line_info",
      count: "nr_line_info",
      room: count,
      bytes,
      recordSize: ["line_info_rec_size", LINE_RECORD],
    },
  ]);
  const view = viewOf(bytes);
  const word = (offset: number) => view.getUint32(offset, hostLittleEndian);
  return Array.from({ length: count }, (_, index) => {
    const at = index * LINE_RECORD;
    const position = word(at + 12);
    return {
      slot: word(at),
      file: btf.string(word(at + 4)),
      line: position >>> COLUMN_BITS,
      column: position & ((1 << COLUMN_BITS) - 1),
      text: btf.string(word(at + 8)),
    };
  });
}
