/**
 * A disassembled program as lines for people, in the form that bpftool and the verifier's log
 * have: functions, source lines, instructions.
 *
 * @module
 */

import type { ProgramSpec } from "../spec/index.ts";
import {
  type DisassembledInstruction,
  type DisassembledObject,
  disassemble,
  functionSignatures,
} from "./disassembly.ts";
import type { ReportSource } from "./report.ts";

/** Where notes on instructions begin. */
const NOTE_COLUMN = 48;

/**
 * The lines of a program, without newlines; control characters other than tabs become U+FFFD.
 *
 * ```
 * int main(void *ctx):
 * ; return count(task->pid); @ main.bpf.c:12
 *    0: (61) r1 = *(u32 *)(r0 +1256)             ; CO-RE field_byte_offset task_struct.pid
 *    1: (85) call pc+3                           ; count
 * ```
 */
export function* disassemblyLines(
  object: DisassembledObject,
  program: ProgramSpec,
): Generator<string, void, undefined> {
  const signatures = functionSignatures(object, program);
  let before = null as ReportSource | null;
  for (const instruction of disassemble(object, program)) {
    const { slot, source } = instruction;
    const signature = signatures.get(slot);
    if (signature !== undefined) {
      yield clean(`${signature}:`);
      before = null;
    }
    // Compilers write several records for a line, by column; the verifier prints one.
    const repeated = source?.line === before?.line && source?.file === before?.file;
    if (source !== null && !repeated) {
      yield clean(`; ${source.text} @ ${baseName(source.file)}:${source.line}`);
    }
    before = source;
    yield clean(instructionLine(instruction));
  }
}

function instructionLine(instruction: DisassembledInstruction): string {
  const { slot, bytes, text } = instruction;
  const line = `${String(slot).padStart(4)}: (${bytes.slice(0, 2)}) ${text}`;
  const notes = notesOf(instruction);
  return notes.length === 0 ? line : `${line.padEnd(NOTE_COLUMN)} ; ${notes.join("; ")}`;
}

/** What is not in the text already. */
function notesOf({ reference, coreRelocation }: DisassembledInstruction): string[] {
  const notes: string[] = [];
  const { kind, name, variable } = reference ?? {};
  if (kind === "map-value" && typeof variable === "string") notes.push(variable);
  if ((kind === "call" || kind === "function") && name !== undefined) notes.push(name);
  if (coreRelocation !== null) {
    notes.push(`CO-RE ${coreRelocation.kind} ${coreRelocation.path}`);
  }
  return notes;
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function clean(line: string): string {
  return line.replaceAll(/(?!\t)\p{Cc}/gu, "\ufffd");
}
