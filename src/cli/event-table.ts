/**
 * Events as rows of a table that grows while it is printed.
 *
 * @module
 */

import { toHex } from "../bytes.ts";
import { plain, tableLine, toJson } from "./output.ts";

/** Prints a header when the kind of event changes, and keeps columns where they were. */
export class EventTable {
  readonly #withMap: boolean;
  #current = "";
  #widths: number[] = [];

  /** `withMap`: say from which map each table is. */
  constructor(withMap: boolean) {
    this.#withMap = withMap;
  }

  /** The line of one event, after a header where one is needed. */
  row(map: string, event: unknown): string {
    const fields = isRecord(event) ? Object.entries(event) : [["value", event] as const];
    const names = fields.map(([name]) => plain(name));
    const cells = fields.map(([, value]) => cell(value));
    const shape = `${map} ${names.join(" ")}`;
    let header = "";
    if (shape !== this.#current) {
      this.#current = shape;
      this.#widths = names.map((name, column) => Math.max(name.length, cells[column]!.length, 6));
      const titles = names.map((name) => name.toUpperCase());
      header = (this.#withMap ? `${plain(map)}:\n` : "") + tableLine(titles, this.#widths);
    }
    return header + tableLine(cells, this.#widths);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    !ArrayBuffer.isView(value) &&
    !Array.isArray(value)
  );
}

function cell(value: unknown): string {
  if (value instanceof Uint8Array) return toHex(value);
  return plain(typeof value === "object" ? toJson(value) : String(value));
}
