/**
 * `ebpf verify`: does this kernel take these programs and maps? Loads each by itself, and attaches nothing.
 *
 * @module
 */

import type { Btf } from "../../btf/index.ts";
import { BpfError, VerifierError } from "../error.ts";
import type { LoadOptions } from "../load-options.ts";
import { openKernelTypes } from "../report/index.ts";
import type { ObjectSpec } from "../spec/index.ts";
import { release } from "../sys/kernel.ts";
import { nameOf, ProgramType } from "../uapi.ts";
import {
  type MapVerdict,
  type ProgramVerdict,
  type Verdict,
  verifyMap,
  verifyProgram,
} from "../verify.ts";
import { readBtf } from "./btf-source.ts";
import { type Command, readArguments, requireFiles } from "./command.ts";
import { explain, plain, printJson, printText, say, table } from "./output.ts";
import { readObject } from "./read.ts";
import { assignments } from "./value.ts";
import { setVariables } from "./variables.ts";

/** Lines of a log without `--log`: its end. */
const SHOWN_LINES = 20;
/** What the verifier did in detail, and statistics. */
const LOG_LEVEL = 2 | 4;

/** What is printed of one object. */
interface Report {
  file: string;
  kernel: string;
  programs: ProgramRow[];
  maps: MapRow[];
}

interface Row {
  name: string;
  verdict: Verdict;
  code: string | null;
  message: string | null;
}

type MapRow = Row;

interface ProgramRow extends Row {
  section: string;
  type: string;
  instructions: number;
  verifiedInstructions: number | null;
  loadTimeMs: number;
  log: readonly string[];
  /** Of the verifier's refusals: why, as a word and in words, where, what it said itself, what would help. */
  kind?: string;
  problem?: string;
  source?: object | null;
  instruction?: object | null;
  reason?: string;
  hint?: string | null;
}

/** Loads all programs and maps of object files; exit code 1 when one is refused. */
export const verify: Command = async (args) => {
  const { values, positionals } = readArguments(args, {
    json: { type: "boolean" },
    log: { type: "boolean" },
    btf: { type: "string" },
    set: { type: "string", multiple: true },
  });
  const files = requireFiles(positionals, "verify");
  const settings = assignments(values.set ?? [], "--set");
  const btf = values.btf === undefined ? undefined : typesOf(values.btf);
  const json = values.json === true;
  const log = values.log === true;
  const objects = files.map((file) => ({ file, ...readOrExplain(file) }));
  const specs = objects.flatMap(({ spec }) => spec ?? []);
  // A name that no object has is misuse, and said before anything is loaded.
  const kconfigs = new Map(specs.map((spec) => [spec, setVariables(spec, settings, specs)]));
  const results: (Report | { file: string; error: string })[] = [];
  let failed = 0;
  for (const { file, spec, error: unread } of objects) {
    try {
      if (spec === undefined) throw unread;
      const kconfig = kconfigs.get(spec) ?? {};
      const options = { kconfig, ...(btf !== undefined && { btf }), ...(log && LOGGED) };
      const report = await verifyObject(file, spec, options, log);
      const rows: Row[] = [...report.programs, ...report.maps];
      if (rows.some(({ verdict }) => verdict === "rejected" || verdict === "error")) failed++;
      results.push(report);
      if (!json) printText(`${results.length > 1 ? "\n" : ""}${reportText(report, log)}`);
    } catch (error) {
      if (!(error instanceof BpfError)) throw error;
      failed++;
      const message = explain(error);
      say(`ebpf verify: ${message}`);
      results.push({ file, error: message });
    }
  }
  if (json && files.length > 1) printJson(results);
  else if (json && results[0] !== undefined && !("error" in results[0])) printJson(results[0]);
  return failed > 0 ? 1 : 0;
};

const LOGGED = { logLevel: LOG_LEVEL };

/** An object, or why it is none. */
function readOrExplain(file: string): { spec?: ObjectSpec; error?: BpfError } {
  try {
    return { spec: readObject(file).spec };
  } catch (error) {
    if (error instanceof BpfError) return { error };
    throw error;
  }
}

function typesOf(path: string): Btf {
  return openKernelTypes(readBtf(path), path);
}

async function verifyObject(
  file: string,
  spec: ObjectSpec,
  options: LoadOptions,
  log: boolean,
): Promise<Report> {
  const programs: ProgramRow[] = [];
  for (const name of Object.keys(spec.programs)) {
    programs.push(programRow(spec, name, await verifyProgram(spec, name, options), log));
  }
  const maps: MapRow[] = [];
  for (const name of Object.keys(spec.maps)) {
    maps.push(mapRow(name, await verifyMap(spec, name, options)));
  }
  return { file, kernel: release().text, programs, maps };
}

function programRow(
  spec: ObjectSpec,
  name: string,
  result: ProgramVerdict,
  isWhole: boolean,
): ProgramRow {
  const { section, type, instructions } = spec.programs[name]!;
  const { verdict, error, verifiedInstructions = null, loadTimeMs, log } = result;
  const left = isWhole ? 0 : Math.max(0, log.length - SHOWN_LINES);
  return {
    name,
    section,
    type: nameOf(ProgramType, type),
    verdict,
    code: error instanceof BpfError ? error.code : null,
    message:
      verdict === "skipped"
        ? `section ${section} does not tell the program's type`
        : error === undefined
          ? null
          : explain(error),
    ...(error instanceof VerifierError && {
      kind: error.kind,
      problem: error.problem,
      source: error.source ?? null,
      instruction: error.instruction ?? null,
      reason: error.reason,
      hint: error.hint ?? null,
    }),
    instructions: instructions.length / 8,
    verifiedInstructions,
    loadTimeMs: Math.round(loadTimeMs * 1000) / 1000,
    log: log.slice(left),
  };
}

function mapRow(name: string, { verdict, error }: MapVerdict): MapRow {
  return {
    name,
    verdict,
    code: error instanceof BpfError ? error.code : null,
    message: error === undefined ? null : explain(error),
  };
}

/** The form for people: a table, then what is wrong with each that was refused. */
function reportText({ file, kernel, programs, maps }: Report, isWhole: boolean): string {
  const parts = [plain(`${file} on Linux ${kernel}`)];
  if (programs.length > 0) {
    const rows = programs.map((row) => [
      row.name,
      row.section,
      row.verdict,
      String(row.instructions),
      row.verifiedInstructions === null ? "" : String(row.verifiedInstructions),
      `${row.loadTimeMs.toFixed(1)} ms`,
    ]);
    const header = ["program", "section", "verdict", "instructions", "verified", "time"];
    parts.push(table(header, rows).trimEnd());
  }
  if (maps.length > 0) {
    const rows = maps.map(({ name, verdict }) => [name, verdict]);
    parts.push(table(["map", "verdict"], rows).trimEnd());
  }
  for (const row of programs) {
    if (row.verdict !== "ok") parts.push(refusalText(row, isWhole));
    else if (isWhole && row.log.length > 0) parts.push(`${plain(row.name)}\n${logText(row.log)}`);
  }
  for (const { name, verdict, message } of maps) {
    if (verdict !== "ok") parts.push(plain(`map ${name}: ${message}`));
  }
  return `${parts.join("\n\n")}\n`;
}

function refusalText(row: ProgramRow, isWhole: boolean): string {
  const { name, problem, message, source, instruction, reason, hint, log } = row;
  const lines = [`${name}: ${problem ?? message}`];
  if (source !== undefined && source !== null) {
    const { file, line, text, function: within } = source as NonNullable<VerifierError["source"]>;
    const where = within === undefined || within === name ? "" : ` in ${within}`;
    lines.push(`  at ${file}:${line}${where}: ${text}`);
  }
  if (instruction !== undefined && instruction !== null) {
    const { slot, text } = instruction as NonNullable<VerifierError["instruction"]>;
    lines.push(`  instruction ${slot}${text === "" ? "" : `: ${text}`}`);
  }
  if (reason !== undefined && reason !== "") lines.push(`  in the verifier's words: ${reason}`);
  if (hint !== undefined && hint !== null) lines.push(`  what helps: ${hint}`);
  const text = lines.map(plain).join("\n");
  return isWhole && log.length > 0 ? `${text}\n${logText(log)}` : text;
}

function logText(log: readonly string[]): string {
  return log.map((line) => `    ${plain(line)}`).join("\n");
}
