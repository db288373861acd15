/**
 * A report of a check to JSON text and back. Reports can be larger than a string may be, so that
 * the text comes in pieces.
 *
 * @module
 */

import { BpfError } from "../error.ts";
import { requireText } from "./arguments.ts";
import { type CheckReport, verdicts } from "./report.ts";

/** Characters of a piece, about. */
const PIECE = 0x1_0000;

/**
 * The report as JSON in pieces that make one text: a line for each object, row and summary. Has no
 * control characters but newlines.
 */
export function* reportJson(report: CheckReport): Generator<string> {
  let piece = "{\n";
  let separator = "";
  for (const [name, value] of Object.entries(report)) {
    piece += `${separator}${JSON.stringify(name)}: `;
    separator = ",\n";
    if (!Array.isArray(value)) {
      piece += JSON.stringify(value);
      continue;
    }
    let before = "[\n";
    for (const item of value) {
      piece += before + JSON.stringify(item);
      before = ",\n";
      if (piece.length < PIECE) continue;
      yield plain(piece);
      piece = "";
    }
    piece += value.length === 0 ? "[]" : "\n]";
  }
  yield plain(`${piece}\n}\n`);
}

/** Escapes those that JSON allows in strings, and a terminal would act on; elsewhere JSON has none of them. */
function plain(piece: string): string {
  return piece.replaceAll(/[\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g, (one) => {
    return `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

/**
 * Reads a report that was written as JSON; throws BpfError with code ERR_REPORT for other text and
 * reports of another schema, and TypeError for what is no text.
 */
export function parseReport(json: string): CheckReport {
  requireText("parseReport", json);
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new BpfError("it is not JSON", { code: "ERR_REPORT", cause: error });
  }
  if (!isRecord(value) || !("schema" in value)) {
    throw refusal("it is no report of check: it has no schema");
  }
  if (value["schema"] !== 1) {
    throw refusal(`it has schema ${JSON.stringify(value["schema"])}, and only 1 can be read`);
  }
  const lists = { kernels, objects, rows, summary };
  for (const [name, isItem] of Object.entries(lists)) {
    const list = value[name];
    if (!Array.isArray(list)) throw refusal(`it is no report of check: it has no list of ${name}`);
    const wrong = list.findIndex((item) => !isRecord(item) || !isItem(item));
    if (wrong !== -1) throw refusal(`entry ${wrong} of its ${name} is not as a report has it`);
  }
  const report = value as unknown as CheckReport;
  const stray = report.rows.findIndex(({ object, kernel }) => {
    return object >= report.objects.length || kernel >= report.kernels.length;
  });
  if (stray !== -1) {
    throw refusal(`entry ${stray} of its rows is about an object or kernel that it does not have`);
  }
  return report;
}

type Fields = Readonly<Record<string, unknown>>;

function kernels({ name }: Fields): boolean {
  return typeof name === "string";
}

function objects({ file, programs, error }: Fields): boolean {
  return isTextOrNone(file) && isTextOrNone(error) && Array.isArray(programs);
}

function rows({ object, kernel, program, section, kind, root, path, verdict }: Fields): boolean {
  return (
    isIndex(object) &&
    isIndex(kernel) &&
    [program, section, kind, root, path].every((text) => typeof text === "string") &&
    verdicts.some((known) => known === verdict)
  );
}

function summary({ object, kernel, ok }: Fields): boolean {
  return isIndex(object) && isIndex(kernel) && typeof ok === "boolean";
}

function isIndex(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isTextOrNone(value: unknown): boolean {
  return value === undefined || typeof value === "string";
}

function isRecord(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refusal(what: string): BpfError {
  return new BpfError(what, { code: "ERR_REPORT" });
}
