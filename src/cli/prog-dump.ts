/**
 * `ebpf prog dump`: the instructions of a program as the verifier left them, with the C lines and the
 * functions that its types tell of.
 *
 * @module
 */

import { typeName } from "../../btf/index.ts";
import { type Instruction, isCall, type PrintNames, PseudoSource, printAll } from "../asm/index.ts";
import { hostLittleEndian } from "../bytes.ts";
import { type CodeLine, functionRecords, type ProgramCode, programCode } from "../program-code.ts";
import { programInfo } from "../program-info.ts";
import { type KernelSymbols, kernelSymbols } from "../sys/kernel-symbols.ts";
import { type Command, CommandError, readArguments } from "./command.ts";
import { type Described, readOne, readSelector } from "./kernel-objects.ts";
import { PROGRAMS } from "./object-kinds.ts";
import { plain, printJson, printText } from "./output.ts";
import { typesById } from "./types-by-id.ts";

/** A line of the listing. */
interface Line {
  slot: number;
  /** The function that begins here, as C declares it. */
  proto?: string;
  /** The source that this and the next instructions are of. */
  src?: string;
  file?: string;
  line?: number;
  column?: number;
  disasm: string;
}

interface Dumped extends Described {
  readonly id: number;
  readonly code: ProgramCode;
  /** Declarations of functions by their first slot. */
  readonly protos: ReadonlyMap<number, string>;
}

/** Prints the instructions of one program. `xlated`, as bpftool calls them, may stand before it. */
export const dump: Command = async (args) => {
  const { values, positionals } = readArguments(args, { json: { type: "boolean" } });
  if (positionals[0] === "jited") {
    throw new CommandError("prog dump prints instructions (xlated), not machine code");
  }
  const words = positionals[0] === "xlated" ? positionals.slice(1) : positionals;
  const types = typesById();
  const { code, protos } = readOne(PROGRAMS, readSelector(words, "program"), (fd): Dumped => {
    const { id, name, tag, btfId } = programInfo(fd);
    const code = programCode(fd, `program ${id} ${name}`, () => types(btfId));
    const btf = types(btfId);
    const records = btf === undefined ? [] : functionRecords(fd);
    const protos = new Map(
      records.map(({ slot, type }) => [slot, btf === undefined ? "" : typeName(btf, type)]),
    );
    return { id, name, tag, code, protos };
  });
  const lines = linesOf(code, protos);
  if (values.json === true) printJson(lines);
  else printText(lines.map(textOf).join(""));
  return 0;
};

function linesOf(code: ProgramCode, protos: ReadonlyMap<number, string>): Line[] {
  const names = namesIn(code);
  const sources = new Map(code.lines.map((line) => [line.slot, line]));
  return printAll(code.instructions, hostLittleEndian, names).map(({ slot, instruction, text }) => {
    const proto = protos.get(slot);
    const opcode = instruction.opcode.toString(16).padStart(2, "0");
    return {
      slot,
      ...(proto === undefined ? {} : { proto }),
      ...sourceOf(sources.get(slot)),
      disasm: `(${opcode}) ${text}`,
    };
  });
}

function sourceOf(line: CodeLine | undefined): Partial<Line> {
  if (line === undefined) return {};
  return { src: line.text.trim(), file: line.file, line: line.line, column: line.column };
}

/** Maps by number, functions by name: of the kernel where it shows addresses, of the program by its types. */
function namesIn({ instructions, functions }: ProgramCode): PrintNames {
  const byName = new Map(functions.map(({ slot, name }) => [slot, name]));
  const isKernelCall = ({ opcode, src }: Instruction): boolean =>
    isCall(opcode) && src !== PseudoSource.CALL;
  const offsets = instructions.filter(isKernelCall).map(({ imm }) => imm);
  const symbols: KernelSymbols = kernelSymbols("__bpf_call_base", offsets);
  return {
    immediate: ({ src, imm, imm64 = 0n }) => {
      const offset = BigInt.asIntN(32, imm64 >> 32n);
      if (src === PseudoSource.MAP_FD) return `map[id:${imm}]`;
      if (src === PseudoSource.MAP_VALUE) return `map[id:${imm}][0]+${offset}`;
      if (src === PseudoSource.FUNC) return `subprog[${signed(imm)}]`;
      return undefined;
    },
    call: ({ src, imm, offset }, slot) => {
      if (src !== PseudoSource.CALL) {
        const name = symbols.get(imm);
        return name === undefined ? undefined : `${name}#${imm}`;
      }
      // Where the program was compiled the distance is in the offset, and a function's number in the immediate.
      const distance = byName.has(slot + 1 + imm) ? imm : offset;
      const name = byName.get(slot + 1 + distance);
      return `pc${signed(distance)}${name === undefined ? "" : `#${name}`}`;
    },
  };
}

function signed(value: number): string {
  return value < 0 ? String(value) : `+${value}`;
}

/** Compilers write several records for a line, by column; it is printed once. */
function textOf(
  { slot, proto, src, file, line, disasm }: Line,
  index: number,
  all: Line[],
): string {
  const heading = proto === undefined ? "" : `${plain(proto)}:\n`;
  const before = all.slice(0, index).findLast(({ src }) => src !== undefined);
  const isRepeated = proto === undefined && before?.line === line && before?.file === file;
  const source =
    src === undefined || src === "" || isRepeated
      ? ""
      : `; ${plain(src)} @ ${plain(baseName(file))}:${line}\n`;
  return `${heading}${source}${String(slot).padStart(4)}: ${disasm}\n`;
}

function baseName(path = ""): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
