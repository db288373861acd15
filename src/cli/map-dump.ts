/**
 * `ebpf map dump`: the elements of a map, decoded by its types.
 *
 * @module
 */

import type { BpfMap } from "../../maps/index.ts";
import { BpfError } from "../error.ts";
import { possibleCpuList } from "../sys/kernel.ts";
import { MapType, nameOf } from "../uapi.ts";
import { type Command, readArguments } from "./command.ts";
import { openMeant } from "./map-select.ts";
import { printText, toJson } from "./output.ts";
import { sectionDecoder } from "./section-values.ts";

const PER_CPU: ReadonlySet<number> = new Set([
  MapType.PERCPU_HASH,
  MapType.PERCPU_ARRAY,
  MapType.LRU_PERCPU_HASH,
  MapType.PERCPU_CGROUP_STORAGE,
]);
/** Characters that are written at once. */
const CHUNK = 0x1_0000;

/** Prints each element: a line `KEY = VALUE`, or with `--json` an array of `{ key, value }`. */
export const dump: Command = async (args) => {
  const { values, positionals } = readArguments(args, {
    json: { type: "boolean" },
    raw: { type: "boolean" },
  });
  const map = openMeant(positionals, "read", values.raw);
  try {
    const elements = elementsOf(map, values.raw === true);
    const shape = elementShape(map.type);
    if (values.json === true) writeJson(elements, shape);
    else writeLines(elements, shape);
  } finally {
    map.close();
  }
  return 0;
};

/** Whether the elements of a map type have a value for each CPU. */
export function hasValuePerCpu(type: number): boolean {
  return PER_CPU.has(type);
}

/** How an element is printed: with one value, or with one of each CPU. */
export type Shape = (key: unknown, value: unknown) => Record<string, unknown>;

/** The shape of the elements of a map type: `{ key, value }`, or `{ key, values: [{ cpu, value }] }`. */
export function elementShape(type: number): Shape {
  if (!PER_CPU.has(type)) return (key, value) => ({ key, value });
  const cpus = possibleCpuList();
  return (key, value) => {
    if (!Array.isArray(value)) return { key, value };
    return { key, values: value.map((one: unknown, index) => ({ cpu: cpus[index], value: one })) };
  };
}

function* elementsOf(map: BpfMap, raw: boolean): Iterable<[unknown, unknown]> {
  if ("entries" in map && typeof map.entries === "function") {
    const section = raw ? undefined : sectionDecoder(map);
    for (const [key, value] of map.entries() as Iterable<[unknown, unknown]>) {
      const isSection = section !== undefined && value instanceof Uint8Array;
      yield [key, isSection ? section(value) : value];
    }
    return;
  }
  throw new BpfError(
    `list the elements of map ${map.name}: a ${nameOf(MapType, map.type)} map has none that can be listed`,
    { code: "ERR_NO_ENTRIES" },
  );
}

function writeJson(elements: Iterable<[unknown, unknown]>, shape: Shape): void {
  let text = "[";
  let separator = "\n";
  for (const [key, value] of elements) {
    text += `${separator}  ${toJson(shape(key, value))}`;
    separator = ",\n";
    if (text.length >= CHUNK) {
      process.stdout.write(text);
      text = "";
    }
  }
  process.stdout.write(`${text}${separator === "\n" ? "" : "\n"}]\n`);
}

function writeLines(elements: Iterable<[unknown, unknown]>, shape: Shape): void {
  let text = "";
  for (const [key, value] of elements) {
    const { value: one, values } = shape(key, value);
    text += `${toJson(key)} = ${toJson(values ?? one)}\n`;
    if (text.length >= CHUNK) {
      printText(text);
      text = "";
    }
  }
  printText(text);
}
