/**
 * What `ebpf run` prints while it runs: events of ring buffers and perf event arrays, losses, lines of the trace pipe.
 *
 * @module
 */

import { type BpfMap, LostEvents, PerfEventArray, RingBuffer } from "../../maps/index.ts";
import { MapTypes } from "../../maps/types.ts";
import type { CollectionSpec } from "../collection.ts";
import { BtfError } from "../error.ts";
import { tracePipe } from "../trace-pipe.ts";
import { MapType, nameOf } from "../uapi.ts";
import { CommandError, noSuch } from "./command.ts";
import { EventTable } from "./event-table.ts";
import { explain, say, toJson } from "./output.ts";
import { traceText } from "./trace.ts";
import { assignments } from "./value.ts";

/** A map whose events are printed. */
export type EventSource = RingBuffer | PerfEventArray;

/** What is printed, and how. */
export interface Printing {
  /** The types of events by map, where the object does not say them. */
  readonly types: ReadonlyMap<string, string>;
  readonly count: number;
  readonly json: boolean;
  /** What programs write with `bpf_printk`, too. */
  readonly traced: boolean;
}

/** The maps whose events are printed. */
export function eventMaps(maps: Readonly<Record<string, BpfMap>>): EventSource[] {
  return Object.values(maps).filter(
    (map) => map instanceof RingBuffer || map instanceof PerfEventArray,
  );
}

/**
 * The types that `--as MAP=TYPE` gives.
 *
 * @throws CommandError for a map that the object does not have or that has no events, a type that it does not have, and one larger than
 * the events that the object itself says.
 */
export function eventTypes(spec: CollectionSpec, texts: readonly string[]): Map<string, string> {
  const types = new Map(assignments(texts, "--as"));
  for (const [name, type] of types) {
    const map = spec.maps[name];
    if (map === undefined) {
      throw new CommandError(noSuch("the object has no map", name, Object.keys(spec.maps)));
    }
    if (map.type !== MapType.RINGBUF && map.type !== MapType.PERF_EVENT_ARRAY) {
      const kind = nameOf(MapType, map.type).toLowerCase();
      throw new CommandError(`--as ${name}: the map is of type ${kind}, and has no events`);
    }
    const known = new MapTypes(map, {}, 1);
    const size = sizeOf(known, name, type);
    const own = known.event;
    if (own === undefined || size <= own.size) continue;
    throw new CommandError(
      `--as ${name}=${type}: it takes ${size} bytes, and events of the map are ${own.typeName}, of ${own.size}`,
    );
  }
  return types;
}

function sizeOf(known: MapTypes, name: string, type: string): number {
  try {
    return known.named(type).size;
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof BtfError)) throw error;
    throw new CommandError(`--as ${name}=${type}: ${explain(error)}`);
  }
}

/** Why there may be less to see than was hoped for. */
export function hints(
  sources: readonly EventSource[],
  types: ReadonlyMap<string, string>,
): string[] {
  if (sources.length === 0) {
    return ["the object has no ring buffer and no perf event array: there are no events to print"];
  }
  return sources
    .filter(({ typed, name }) => !typed && !types.has(name))
    .map(
      ({ name }) =>
        `${name} does not say what its events are: --as '${name}=struct TYPE' decodes them`,
    );
}

/** Prints the events of all ring buffers and perf event arrays until `ending` is aborted. */
export async function printEvents(
  sources: readonly EventSource[],
  { types, count, json, traced }: Printing,
  ending: AbortController,
): Promise<void> {
  const { signal } = ending;
  const table = new EventTable(sources.length > 1);
  let printed = 0;
  /** What is printed of an event. Losses do not count; people read of them on stderr. */
  const lineOf = (map: string, event: unknown): string => {
    if (event instanceof LostEvents) {
      const { lost, cpu } = event;
      if (json) return `${toJson({ map, lost, cpu })}\n`;
      say(
        `${map}: ${lost} events lost on CPU ${cpu}, their buffer was full; --buffer SIZE makes it larger`,
      );
      return "";
    }
    if (printed >= count) return "";
    printed++;
    return json ? `${toJson({ map, event })}\n` : table.row(map, event);
  };
  const readers = sources.map(async (source) => {
    const as = types.get(source.name);
    const options = as === undefined ? { signal } : { signal, as };
    for await (const batch of source.batches(options)) {
      process.stdout.write(batch.map((event) => lineOf(source.name, event)).join(""));
      if (printed >= count) ending.abort();
    }
  });
  if (traced) readers.push(printTrace(json, signal));
  // Without events there is nothing to wait for but the end.
  readers.push(untilAborted(signal));
  try {
    await Promise.all(readers);
  } finally {
    // When one reader fails, the others end too.
    ending.abort();
  }
}

async function printTrace(json: boolean, signal: AbortSignal): Promise<void> {
  for await (const record of tracePipe({ signal })) process.stdout.write(traceText(record, json));
}

function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const alive = setInterval(() => {}, 0x3fff_ffff);
    signal.addEventListener(
      "abort",
      () => {
        clearInterval(alive);
        resolve();
      },
      { once: true },
    );
  });
}
