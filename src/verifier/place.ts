/**
 * Where an instruction is in the C source: file, line and function, of what the object's line records tell.
 *
 * @module
 */

import type { ProgramFunction, ProgramLine } from "../spec/types.ts";

/** A line of C. */
export interface SourcePlace {
  /** As the compiler was given it, without a leading `./`. */
  file: string;
  line: number;
  column: number;
  /** The text of the line, without the space around it. */
  text: string;
  /** The function that the instruction is in, where the object tells. */
  function: string | undefined;
}

/** What of a program says where its instructions are; both ascend by slot. */
export interface ProgramPlaces {
  lines?: readonly ProgramLine[] | undefined;
  functions?: readonly ProgramFunction[] | undefined;
}

/** The source of the instruction at `slot`; undefined without line records. */
export function placeOf(program: ProgramPlaces, slot: number): SourcePlace | undefined {
  const { lines = [], functions = [] } = program;
  const line = before(lines, slot);
  if (line === undefined) return undefined;
  return place(line, before(functions, slot));
}

/**
 * The source of what concerns `word`: the compiler gives the first instructions of a function to the line that begins it, though
 * they are of a later one, which names the word.
 */
export function placeNaming(
  program: ProgramPlaces,
  slot: number,
  word: string,
): SourcePlace | undefined {
  const { lines = [], functions = [] } = program;
  const function_ = before(functions, slot);
  const own = before(lines, slot);
  if (function_ === undefined || own?.slot !== function_.slot) return placeOf(program, slot);
  const end = functions.find((one) => one.slot > slot)?.slot ?? Number.POSITIVE_INFINITY;
  const pattern = new RegExp(`\\b${word.replaceAll(/\W/g, "\\$&")}\\b`);
  const named = lines.find(
    (line) => line.slot >= own.slot && line.slot < end && pattern.test(line.source.text),
  );
  return place(named ?? own, function_);
}

/** `file:line`. */
export function whereText({ file, line }: SourcePlace): string {
  return `${file}:${line}`;
}

function place({ source }: ProgramLine, function_: ProgramFunction | undefined): SourcePlace {
  return {
    file: printable(source.file.replace(/^(\.\/)+/, "")),
    line: source.line,
    column: source.column,
    text: printable(source.text.trim()),
    function: function_ === undefined ? undefined : printable(function_.name),
  };
}

/** The last entry at or before a slot. */
function before<T extends { slot: number }>(entries: readonly T[], slot: number): T | undefined {
  return entries.findLast((entry) => entry.slot <= slot);
}

/** Longest text of a file, a log or a name that is repeated in a message. */
const MAX_TEXT = 160;

/** Texts of objects and kernels, as they may stand in a message of one line. */
export function printable(text: string): string {
  const plain = text
    .slice(0, MAX_TEXT * 4)
    .replaceAll(/\s+/g, " ")
    .replaceAll(/\p{Cc}/gu, "\ufffd");
  return plain.length <= MAX_TEXT ? plain : `${plain.slice(0, MAX_TEXT - 1)}…`;
}
