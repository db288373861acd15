/**
 * Text for people and JSON for programs: tables, errors in one line, values that JSON does not know.
 *
 * @module
 */

import { inspect } from "node:util";
import { toHex } from "../bytes.ts";
import { BpfError } from "../error.ts";

/** One JSON value on stdout; 64-bit numbers that do not fit a double become decimal strings. */
export function printJson(value: unknown, indent = 2): void {
  process.stdout.write(`${toJson(value, indent)}\n`);
}

/**
 * Text without control characters: names come from files and kernels, and a terminal would act on what is in them.
 * Newlines are among them: what is printed a line shall stay one.
 */
export function plain(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "\ufffd");
}

/** A line of talk, on stderr. */
export function say(line: string): void {
  process.stderr.write(`${plain(line)}\n`);
}

/** Data for people, on stdout, whose lines are its own. */
export function printText(text: string): void {
  process.stdout.write(text.replaceAll(/(?!\n)\p{Cc}/gu, "\ufffd"));
}

/** JSON text: bigint as a number where a double holds it, else as a decimal string; bytes as hexadecimal. */
export function toJson(value: unknown, indent?: number): string {
  const text = JSON.stringify(
    value,
    (_key, item: unknown) => {
      if (typeof item === "bigint") {
        const number = Number(item);
        return Number.isSafeInteger(number) ? number : item.toString();
      }
      if (item instanceof Uint8Array) return toHex(item);
      return item;
    },
    indent,
  );
  // Those that JSON allows in strings.
  return text.replaceAll(/[\x7f-\x9f]/g, (one) => `\\u00${one.charCodeAt(0).toString(16)}`);
}

/** Rows under a header, columns as wide as their widest cell. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows].map((row) => row.map(plain));
  const widths = header.map((_, column) =>
    lines.reduce((width, row) => Math.max(width, row[column]?.length ?? 0), 0),
  );
  return lines.map((row) => tableLine(row, widths)).join("");
}

/** One line of a table. */
export function tableLine(row: readonly string[], widths: readonly number[]): string {
  const cells = row.map((cell, column) => cell.padEnd(widths[column] ?? 0));
  return `${cells.join("  ").trimEnd()}\n`;
}

/** What went wrong in one line: the message, and those of its causes that say more. */
export function explain(error: unknown): string {
  const texts: string[] = [];
  let code: string | undefined;
  for (let at = error, depth = 0; at !== undefined && depth < 5; at = causeOf(at), depth++) {
    const text = (at instanceof Error ? at.message : inspect(at)).replaceAll(/\s*\n\s*/g, " ");
    // A cause with the same code is what the message above it explains.
    const isNew = !(at instanceof BpfError) || at.code !== code;
    if (isNew && !texts.some((known) => known.includes(text))) texts.push(text);
    code = at instanceof BpfError ? at.code : undefined;
  }
  return texts.join(": ") || "unknown error";
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
