/**
 * Where `check` puts its report: one form on stdout, any others in files.
 *
 * @module
 */

import { statSync, writeFileSync } from "node:fs";
import { BpfError } from "../error.ts";
import {
  type CheckReport,
  checkHtml,
  checkJunit,
  checkMarkdown,
  checkText,
  reportJson,
} from "../report/index.ts";
import { CommandError } from "./command.ts";

/** A form of the report, and the file that it shall stand in; `-` is stdout. */
export interface ReportFile {
  readonly form: "markdown" | "junit" | "html";
  readonly path: string;
}

const FORMS: Readonly<Record<ReportFile["form"], (report: CheckReport) => string>> = {
  markdown: checkMarkdown,
  junit: checkJunit,
  html: checkHtml,
};

/**
 * What can be known to go wrong before the work is done.
 *
 * @throws CommandError when two forms shall stand in one place, or one in place of what is read.
 */
export function refuseClashes(
  files: readonly ReportFile[],
  json: boolean,
  inputs: readonly string[],
): void {
  const places = [...(json ? [{ form: "json", path: "-" }] : []), ...files];
  for (const [index, { form, path }] of places.entries()) {
    const other = places.slice(0, index).find((one) => isSame(one.path, path));
    if (other !== undefined) {
      const where = path === "-" ? "stdout" : path;
      throw new CommandError(`--${other.form} and --${form} would both be written to ${where}`);
    }
    if (path === "") throw new CommandError(`--${form} needs the name of a file, or - for stdout`);
    if (inputs.some((input) => isSame(input, path))) {
      throw new CommandError(`--${form} ${path}: this file is read; it is not written over`);
    }
  }
}

function isSame(a: string, b: string): boolean {
  if (a === b) return true;
  const [first, second] = [a, b].map((path) => statSync(path, { throwIfNoEntry: false }));
  // Where folders are not told apart by their numbers, these are zero.
  if (first === undefined || second === undefined || first.ino === 0 || !first.isFile())
    return false;
  return first.dev === second.dev && first.ino === second.ino;
}

/** Writes all forms; text goes to stdout when nothing else does. */
export async function writeReport(
  report: CheckReport,
  files: readonly ReportFile[],
  json: boolean,
): Promise<void> {
  for (const { form, path } of files) {
    if (path !== "-") writeFile(path, FORMS[form](report));
  }
  const onStdout = files.find(({ path }) => path === "-");
  if (json) await print(reportJson(report));
  else await print([onStdout === undefined ? checkText(report) : FORMS[onStdout.form](report)]);
}

function writeFile(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "EIO";
    const reasons: Readonly<Record<string, string>> = {
      ENOENT: "its folder does not exist",
      EACCES: "it may not be written",
      EISDIR: "it is a folder",
    };
    throw new BpfError(`writing ${path}: ${reasons[code] ?? code}`, { code });
  }
}

/** Piece by piece, at the speed of who reads. */
async function print(pieces: Iterable<string>): Promise<void> {
  for (const piece of pieces) {
    if (process.stdout.write(piece)) continue;
    await new Promise<void>((resolve) => process.stdout.once("drain", resolve));
  }
}
