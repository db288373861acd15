/**
 * What `ebpf run --dump` prints at the end: elements of maps, and global variables by their types.
 *
 * @module
 */

import type { BpfMap, Variable } from "../../maps/index.ts";
import type { Collection, CollectionSpec } from "../collection.ts";
import { BpfError } from "../error.ts";
import { CommandError, noSuch } from "./command.ts";
import { plain, toJson } from "./output.ts";
import { sectionDecoder } from "./section-values.ts";

/** @throws CommandError for a name that is neither a map of the object nor a variable. */
export function requireDumpable(
  names: readonly string[],
  { maps, variables }: CollectionSpec,
): void {
  for (const name of names) {
    if (maps[name] !== undefined || variables[name] !== undefined) continue;
    const known = [...Object.keys(maps), ...Object.keys(variables)];
    throw new CommandError(noSuch("--dump: the object has no map and no variable", name, known));
  }
}

/**
 * Prints the elements of a map, a line each; of a data section its variables, and a variable by its name.
 *
 * @throws BpfError for a map without elements, with code `ERR_NO_ENTRIES`; SyscallError.
 */
export function printContents(collection: Collection, name: string, json: boolean): void {
  const maps: Readonly<Record<string, BpfMap>> = collection.maps;
  const variables: Readonly<Record<string, Variable>> = collection.variables;
  const map = maps[name];
  const variable = variables[name];
  if (map !== undefined) {
    const own = Object.values(variables).filter(({ section }) => section === name);
    for (const line of mapLines(map, own, json)) process.stdout.write(`${line}\n`);
  } else if (variable !== undefined) {
    const value = variable.get();
    const line = json
      ? toJson({ map: variable.section, variable: name, value })
      : text(name, value);
    process.stdout.write(`${line}\n`);
  }
}

function* mapLines(map: BpfMap, variables: readonly Variable[], json: boolean): Iterable<string> {
  if (!("entries" in map) || typeof map.entries !== "function") {
    throw new BpfError(`map ${map.name} has no entries to print`, { code: "ERR_NO_ENTRIES" });
  }
  // Static variables are in the types of the kernel's map only, which not everybody may open.
  const section =
    sectionDecoder(map) ??
    (variables.length === 0
      ? undefined
      : () => Object.fromEntries(variables.map((one) => [one.name, one.get()])));
  for (const [key, value] of map.entries() as Iterable<[unknown, unknown]>) {
    const isSection = section !== undefined && value instanceof Uint8Array;
    const shown = isSection ? section(value) : value;
    if (json) yield toJson({ map: map.name, key, value: shown });
    else if (isSection) {
      for (const [name, one] of Object.entries(shown as object)) yield text(name, one);
    } else yield `${plain(map.name)}[${toJson(key)}] = ${toJson(value)}`;
  }
}

function text(name: string, value: unknown): string {
  return `${plain(name)} = ${toJson(value)}`;
}
