/**
 * The text form of a uprobe's target, `PATH:SYMBOL+OFFSET`, as section names and command lines spell it. It looks nothing up.
 *
 * @module
 */

import { shown } from "../src/options.ts";
import { TargetError } from "../src/target-error.ts";
import { parseNumber, splitOffset } from "./symbol-offset.ts";

/** What a text says of a place in a file. */
export interface UprobeTarget {
  /** A path, or a bare name such as `libc.so.6`. */
  path: string;
  /** Name of a function, with `@VERSION` where one was given. */
  symbol?: string;
  /** Address as the file's symbol table has it, when the text had a number in place of the name. */
  address?: bigint;
  /** Bytes after the symbol or address. */
  offset: number;
}

/** What the name of a `uprobe` section says. */
export interface UprobeSection {
  retprobe: boolean;
  /** Undefined for a section without target, such as `SEC("uprobe")`: it cannot be attached by section. */
  target: UprobeTarget | undefined;
}

/**
 * Parses `PATH:SYMBOL`, `PATH:SYMBOL+OFFSET` and `PATH:0xADDRESS`; offsets as C spells numbers. The path ends at the
 * first colon, as in libbpf.
 *
 * @throws TargetError (`ERR_TARGET`) for a text without path or symbol, or with an offset that is no number below 2^53.
 */
export function parseUprobeTarget(text: string): UprobeTarget {
  requireText(text, "the place of a uprobe");
  const colon = text.indexOf(":");
  if (colon < 1 || colon === text.length - 1) {
    throw new TargetError(
      `"${text}" does not name a place for a uprobe; write PATH:SYMBOL, PATH:SYMBOL+OFFSET or PATH:0xADDRESS`,
      { code: "ERR_TARGET", target: text },
    );
  }
  const path = text.slice(0, colon);
  const place = splitOffset(text.slice(colon + 1));
  if (place === undefined) {
    throw new TargetError(`"${text}" has no usable symbol and offset after the colon`, {
      code: "ERR_TARGET",
      target: text,
    });
  }
  const { symbol, offset } = place;
  const address = parseNumber(symbol);
  return address === undefined ? { path, symbol, offset } : { path, address, offset };
}

/**
 * Parses the name of a section: `uprobe`, `uretprobe` and their sleepable forms (`uprobe.s`), alone or followed by `/` and a target.
 *
 * @throws TargetError (`ERR_TARGET`) for other sections and malformed targets.
 */
export function parseUprobeSection(section: string): UprobeSection {
  requireText(section, "a section");
  const match = /^\??(u(?:ret)?probe)(?:\.s)?(?:\/(.*))?$/s.exec(section);
  if (match === null) {
    throw new TargetError(`section "${section}" is not of a uprobe`, {
      code: "ERR_TARGET",
      target: section,
    });
  }
  const target =
    match[2] === undefined || match[2] === "" ? undefined : parseUprobeTarget(match[2]);
  return { retprobe: match[1] === "uretprobe", target };
}

function requireText(text: unknown, what: string): void {
  if (typeof text === "string") return;
  throw new TypeError(`${what} is text, not ${shown(text)}`);
}
