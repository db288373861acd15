/**
 * Objects of the kernel for people: one under the other, a line for each thing that is known.
 *
 * @module
 */

import { plain, toJson } from "./output.ts";

/** A paragraph for an object: members that are absent or empty are left out. */
export function paragraph(title: string, members: object): string {
  const lines = Object.entries(members)
    .filter(([, value]) => value !== undefined && value !== null && value !== "")
    .map(([name, value]) => {
      const text = typeof value === "string" ? value : toJson(value);
      return `  ${name}: ${plain(text)}\n`;
    });
  return `${plain(title)}\n${lines.join("")}`;
}
