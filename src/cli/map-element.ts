/**
 * `ebpf map get`, `set` and `delete`: one element, by a key that is written as JSON.
 *
 * @module
 */

import type { BpfMap, MapAccessMode } from "../../maps/index.ts";
import { BpfError } from "../error.ts";
import { MapType, nameOf } from "../uapi.ts";
import { type Command, CommandError, readArguments } from "./command.ts";
import { elementShape } from "./map-dump.ts";
import { openMeant } from "./map-select.ts";
import { printJson, printText, toJson } from "./output.ts";
import { parseValue } from "./value.ts";

interface Elements {
  get(key: unknown): unknown;
  set(key: unknown, value: unknown, options?: { flags: "any" | "noexist" | "exist" }): void;
  delete(key: unknown): boolean;
}

/** Prints the value of a key; the exit code is 1 when there is none. */
export const get: Command = async (args) => {
  return withMap(args, ["KEY"], "read", "get", (map, [key], json) => {
    const value = map.get(key);
    if (value === undefined) {
      throw new BpfError(`map ${map.name} has no element ${toJson(key)}`, { code: "ENOENT" });
    }
    const { key: _, ...rest } = elementShape(map.type)(key, value);
    if (json) printJson({ key, ...rest });
    else printText(`${toJson(rest["value"] ?? rest["values"])}\n`);
  });
};

/** Stores a value. */
export const set: Command = async (args) => {
  return withMap(args, ["KEY", "VALUE"], "read-write", "set", (map, [key, value], json, flags) => {
    map.set(key, value, { flags });
    if (json) printJson({ key, set: true });
  });
};

/** Removes an element; the exit code is 1 when there is none. */
export const remove: Command = async (args) => {
  return withMap(args, ["KEY"], "read-write", "delete", (map, [key], json) => {
    if (!map.delete(key)) {
      throw new BpfError(`map ${map.name} has no element ${toJson(key)}`, { code: "ENOENT" });
    }
    if (json) printJson({ key, deleted: true });
  });
};

type Body = (
  map: BpfMap & Elements,
  words: unknown[],
  json: boolean,
  flags: "any" | "noexist" | "exist",
) => void;

function withMap(
  args: readonly string[],
  names: readonly string[],
  mode: MapAccessMode,
  method: "get" | "set" | "delete",
  body: Body,
): number {
  const { values, positionals } = readArguments(args, {
    json: { type: "boolean" },
    raw: { type: "boolean" },
    noexist: { type: "boolean" },
    exist: { type: "boolean" },
  });
  if (values.noexist === true || values.exist === true) {
    if (method !== "set")
      throw new CommandError(`map ${method} takes neither --noexist nor --exist`);
    if (values.noexist === values.exist) {
      throw new CommandError("--noexist and --exist exclude each other");
    }
  }
  const words = positionals.slice(-names.length);
  const meant = positionals.slice(0, -names.length);
  if (meant.length === 0) {
    throw new CommandError(`map ${method}: a map and ${names.join(" and ")} are expected`);
  }
  const map = openMeant(meant, mode, values.raw);
  try {
    if (!(method in map)) {
      const type = nameOf(MapType, map.type);
      throw new BpfError(`map ${map.name}: ${method} does not work on maps of type ${type}`, {
        code: "ERR_NO_ENTRIES",
      });
    }
    const read = words.map((word) => readWord(word, values.raw === true));
    const flags = values.noexist ? "noexist" : values.exist ? "exist" : "any";
    body(map as BpfMap & Elements, read, values.json === true, flags);
  } finally {
    map.close();
  }
  return 0;
}

/** JSON, a number or text; with `--raw` bytes as hexadecimal digits. */
function readWord(word: string, raw: boolean): unknown {
  if (!raw) return smallNumbers(parseValue(word));
  if (!/^([0-9a-f]{2})+$/i.test(word)) {
    throw new CommandError(`${word}: with --raw, bytes are expected, two hexadecimal digits each`);
  }
  return Uint8Array.from(word.match(/../g) ?? [], (digits) => Number.parseInt(digits, 16));
}

/** Indexes of arrays are numbers; a bigint is kept where a number would lose digits. */
function smallNumbers(value: unknown): unknown {
  if (typeof value !== "bigint") return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
