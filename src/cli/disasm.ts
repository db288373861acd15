/**
 * `ebpf disasm`: the instructions of an object's programs, as linked, with source lines and names.
 *
 * @module
 */

import { BpfError } from "../error.ts";
import { didYouMean, nearMatches } from "../near-matches.ts";
import { disassemble, disassemblyLines, functionSignatures } from "../report/index.ts";
import type { ObjectSpec, ProgramSpec } from "../spec/index.ts";
import { type Command, CommandError, readArguments, requireFiles } from "./command.ts";
import { plain, toJson } from "./output.ts";
import { inFile, readObject } from "./read.ts";

/** Characters of one listing: a forged object of a few bytes could have source lines for more. */
const MAX_LISTING = 0x800_0000;

/** Lists all programs of an object, or one. */
export const disasm: Command = async (args) => {
  const { values, positionals } = readArguments(args, { json: { type: "boolean" } });
  const [file = "", name, ...others] = requireFiles(positionals, "disasm");
  if (others.length > 0) throw new CommandError("disasm takes one object file and one program");
  const { spec } = readObject(file);
  const programs = chosen(spec, name);
  const list = values.json === true ? listJson : listText;
  const parts: string[] = [];
  let room = MAX_LISTING;
  inFile(file, () => {
    for (const part of list(file, spec, programs)) {
      room -= part.length;
      if (room < 0) {
        throw new BpfError(
          `the listing has more than ${MAX_LISTING} characters; the name of a program asks for that one only`,
          { code: "EFBIG" },
        );
      }
      parts.push(part);
    }
  });
  for (const part of parts) process.stdout.write(part);
  return 0;
};

function chosen(spec: ObjectSpec, name: string | undefined): ProgramSpec[] {
  const all = Object.values(spec.programs);
  if (name === undefined) return all;
  const found = all.find((program) => program.name === name);
  if (found !== undefined) return [found];
  const names = Object.keys(spec.programs);
  const hint = didYouMean(nearMatches(name, names)) || `; it has ${names.join(", ") || "none"}`;
  throw new CommandError(`the object has no program ${name}${hint}`);
}

/** One line for each instruction, so that it can be read by the line as well. */
function* listJson(
  file: string,
  spec: ObjectSpec,
  programs: readonly ProgramSpec[],
): Generator<string, void, undefined> {
  yield `{ "file": ${toJson(file)}, "byteOrder": ${toJson(spec.byteOrder)}, "programs": [`;
  for (const [index, program] of programs.entries()) {
    const { name, section } = program;
    const signatures = functionSignatures(spec, program);
    const functions = program.functions.map((fn) => {
      return { name: fn.name, slot: fn.slot, signature: signatures.get(fn.slot) };
    });
    yield index === 0 ? "\n" : ",\n";
    yield `  { "name": ${toJson(name)}, "section": ${toJson(section)},\n`;
    yield `    "functions": ${toJson(functions)},\n    "instructions": [`;
    let separator = "\n";
    for (const instruction of disassemble(spec, program)) {
      yield `${separator}      ${toJson(instruction)}`;
      separator = ",\n";
    }
    yield "\n    ] }";
  }
  yield "\n] }\n";
}

function* listText(
  file: string,
  spec: ObjectSpec,
  programs: readonly ProgramSpec[],
): Generator<string, void, undefined> {
  if (programs.length === 0) yield `${plain(file)}: no programs\n`;
  for (const [index, program] of programs.entries()) {
    const { name, section, instructions } = program;
    const title = `program ${name}, section ${section}, ${instructions.length / 8} instructions`;
    yield `${index === 0 ? "" : "\n"}${plain(title)}\n`;
    for (const line of disassemblyLines(spec, program)) yield `${line}\n`;
  }
}
