/**
 * `ebpf map get`, `set` and `delete`: one element, by a key that is written as JSON.
 *
 * @module
 */

import type { BpfMap, MapAccessMode } from "../../maps/index.ts";
import { hostLittleEndian, viewOf } from "../bytes.ts";
import { BpfError } from "../error.ts";
import { possibleCpuList } from "../sys/kernel.ts";
import { MapType, nameOf } from "../uapi.ts";
import { type Command, CommandError, readArguments } from "./command.ts";
import { elementShape, hasValuePerCpu } from "./map-dump.ts";
import { openMeant } from "./map-select.ts";
import { printJson, printText, toJson } from "./output.ts";
import { parseValue } from "./value.ts";

/** Keys of these are numbers here, also where values are bytes. */
const INDEXED: ReadonlySet<number> = new Set([
  MapType.ARRAY,
  MapType.PERCPU_ARRAY,
  MapType.PROG_ARRAY,
  MapType.PERF_EVENT_ARRAY,
  MapType.CGROUP_ARRAY,
  MapType.ARRAY_OF_MAPS,
]);
/** CPUs for which an example has a value. */
const MOST_SHOWN = 4;

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
    const isRaw = values.raw === true;
    const read = words.map((word, index) =>
      isRaw ? readBytes(word, map, names[index] === "KEY") : smallNumbers(parseValue(word)),
    );
    const flags = values.noexist ? "noexist" : values.exist ? "exist" : "any";
    try {
      body(map as BpfMap & Elements, read, values.json === true, flags);
    } catch (error) {
      // What does not fit the map is a word of the command line that is wrong.
      if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
      throw new CommandError(misfit(error.message, map, words, isRaw));
    }
  } finally {
    map.close();
  }
  return 0;
}

/** What is wrong with a word, and how it would be written. */
function misfit(problem: string, map: BpfMap, words: readonly string[], isRaw: boolean): string {
  const name = `map ${map.name}: `;
  const said = problem.startsWith(name) ? problem : `${name}${problem}`;
  const value = words[1] ?? "";
  const perCpu = /^map .*: a value for each of \d+ possible CPUs is needed/.exec(said)?.[0];
  if (perCpu !== undefined) {
    const one = isRaw || typeof parseValue(value) !== "string" ? value : JSON.stringify(value);
    const cpus = possibleCpuList().length;
    const shown = Array<string>(Math.min(cpus, MOST_SHOWN)).fill(one).join(",");
    const list = cpus > MOST_SHOWN ? `${shown},…` : shown;
    return `${perCpu}: write a list of them, such as ${isRaw ? list : `'[${list}]'`}`;
  }
  // Without types they are bytes, and nothing but --raw says bytes.
  const isUntyped = !isRaw && /: \d+ bytes are needed, not \D/.test(said);
  return isUntyped ? `${said}: the map says no types; --raw takes KEY and VALUE as bytes` : said;
}

/** Bytes as hexadecimal digits; of a map with a value for each CPU, those of each CPU with commas between them. */
function readBytes(word: string, map: BpfMap, isKey: boolean): unknown {
  if (!isKey && hasValuePerCpu(map.type)) {
    return word.split(",").map((one) => hexadecimal(one));
  }
  const bytes = hexadecimal(word);
  if (!isKey || !INDEXED.has(map.type)) return bytes;
  if (bytes.length !== 4) {
    throw new CommandError(
      `map ${map.name}: ${word}: the key of an array has 4 bytes, not ${bytes.length}`,
    );
  }
  return viewOf(bytes).getUint32(0, hostLittleEndian);
}

function hexadecimal(word: string): Uint8Array {
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
