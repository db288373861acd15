/**
 * B2: elements of maps, one by one, in batches and in mapped memory.
 *
 * @module
 */

import { ArrayMap, KeyedMap } from "../maps/index.ts";
import { CollectionSpec } from "../src/collection.ts";
import { possibleCpus } from "../src/sys/kernel.ts";
import { mappedMemory } from "./b2-memory.ts";
import { rawElements } from "./b2-raw.ts";
import { type Make, typedElements } from "./b2-typed.ts";
import { shuffledKeys } from "./b2-work.ts";

const names = ["hash_u64", "hash_64b", "array_u64", "pcpu_u64", "hash_struct"] as const;

/** Measures the maps that an object has, with as many elements as fit, in so many rounds each. */
export function maps(object: string, rounds: number): void {
  using bpf = CollectionSpec.fromFile(object).loadSync();
  for (const name of names) {
    const map: unknown = bpf.maps[name];
    if (!(map instanceof KeyedMap)) {
      leaveOut(name, object);
      continue;
    }
    const keys = shuffledKeys(map.maxEntries);
    const make = makers(keys.length)[name];
    const element = map.element();
    for (let round = 0; round < rounds; round++) {
      typedElements(name, map, keys, make);
      rawElements(name, map, keys, element);
    }
  }
  const mapped: unknown = bpf.maps["mmap_u64"];
  const memory = mapped instanceof ArrayMap ? mapped.memory() : undefined;
  if (memory === undefined) leaveOut("mmap_u64", object);
  else {
    const words = new Uint32Array(memory.buffer);
    const map = mapped as ArrayMap;
    mappedMemory("mmap_u64", map, shuffledKeys(map.maxEntries), words, rounds);
  }
}

/**
 * The maps of elements, and how the typed value with a number is made: in the same object each time,
 * as the other programs do it, from a bigint that is there.
 */
function makers(count: number): Record<(typeof names)[number], Make> {
  const numbers = Array.from({ length: count }, (_, index) => BigInt(index));
  const perCpu = new Array<bigint>(possibleCpus()).fill(0n);
  const bytes = { b: new Uint8Array(64) };
  const words = new Uint32Array(bytes.b.buffer);
  const tasks = Array.from({ length: 32 }, (_, index) => `task ${index}`);
  const usage = { calls: 0n, bytes: 0n, pid: 0, error: 0, comm: "" };
  return {
    hash_u64: (index) => numbers[index],
    hash_64b: (index) => {
      words[0] = index;
      return bytes;
    },
    array_u64: (index) => numbers[index],
    pcpu_u64: (index) => {
      perCpu[0] = numbers[index]!;
      return perCpu;
    },
    hash_struct: (index) => {
      usage.calls = numbers[index]!;
      usage.pid = index;
      usage.error = -index;
      usage.comm = tasks[index % tasks.length]!;
      return usage;
    },
  };
}

function leaveOut(name: string, object: string): void {
  process.stderr.write(`B2.${name} is left out: ${object} has no such map\n`);
}
