/**
 * `ebpf run`: loads an object, attaches its programs by section, and prints the events of its ring
 * buffers and perf event arrays.
 *
 * @module
 */

import { type BpfMap, LostEvents, PerfEventArray, RingBuffer } from "../../maps/index.ts";
import { attachPrograms } from "../attach.ts";
import { type Collection, CollectionSpec } from "../collection.ts";
import { BpfError } from "../error.ts";
import type { LoadOptions } from "../load-options.ts";
import { tracePipe } from "../trace-pipe.ts";
import { type Command, CommandError, noSuch, readArguments, requireFiles } from "./command.ts";
import { EventTable } from "./event-table.ts";
import { interruptible } from "./interrupt.ts";
import { plain, say, toJson } from "./output.ts";
import { readObject } from "./read.ts";
import { traceText } from "./trace.ts";
import { assignments, milliseconds } from "./value.ts";
import { setVariables } from "./variables.ts";

/** Runs until a signal, `--duration` or `--count` ends it; then prints the maps of `--dump`. */
export const run: Command = async (args) => {
  const { values, positionals } = readArguments(args, {
    json: { type: "boolean" },
    duration: { type: "string" },
    count: { type: "string" },
    set: { type: "string", multiple: true },
    as: { type: "string", multiple: true },
    dump: { type: "string", multiple: true },
    "pin-path": { type: "string" },
    trace: { type: "boolean" },
  });
  const [file = "", ...others] = requireFiles(positionals, "run");
  if (others.length > 0) throw new CommandError("run takes one object file");
  const duration = values.duration === undefined ? undefined : milliseconds(values.duration);
  const count = values.count === undefined ? Number.POSITIVE_INFINITY : Number(values.count);
  const isCount = values.count === undefined || Number.isInteger(count);
  if (!isCount || count < 1) {
    throw new CommandError(`--count ${values.count} is no whole number above 0`);
  }
  if (values["pin-path"] === "") throw new CommandError("--pin-path is empty");
  const json = values.json === true;

  const spec = new CollectionSpec(readObject(file).spec);
  const kconfig = setVariables(spec, assignments(values.set ?? [], "--set"));
  const types = new Map(assignments(values.as ?? [], "--as"));
  for (const name of [...types.keys(), ...(values.dump ?? [])]) {
    if (spec.maps[name] !== undefined) continue;
    throw new CommandError(noSuch("the object has no map", name, Object.keys(spec.maps)));
  }

  return interruptible(async (ending) => {
    const pinPath = values["pin-path"];
    const options = { kconfig, signal: ending.signal, ...(pinPath !== undefined && { pinPath }) };
    await using collection = await load(spec, options);
    for (const map of Object.values<BpfMap>(collection.maps)) {
      if (map.pinnedPath !== undefined) say(`map ${map.name} stays pinned at ${map.pinnedPath}`);
    }
    // Before programs write: what they write to a CPU without a buffer is gone.
    for (const map of eventMaps(collection.maps)) {
      if (map instanceof PerfEventArray) map.openBuffers();
    }
    await using links = attachPrograms(
      Object.values(collection.programs),
      { onError: "skip" },
      Object.values<BpfMap>(collection.maps),
    );
    for (const { description } of links) say(`attached ${description}`);
    for (const { program, reason } of links.skipped) say(`skipped ${program}: ${reason}`);
    if (links.size === 0) {
      throw new BpfError("no program of the object was attached", { code: "ERR_NOT_ATTACHED" });
    }
    const timer = duration === undefined ? undefined : setTimeout(() => ending.abort(), duration);
    try {
      const traced = values.trace === true;
      await printEvents(collection.maps, types, { count, json, traced }, ending);
    } finally {
      clearTimeout(timer);
    }
    for (const name of values.dump ?? []) dump(collection.maps[name]!, json);
    return 0;
  });
};

async function load(
  spec: CollectionSpec,
  options: LoadOptions & { signal: AbortSignal },
): Promise<Collection> {
  const { signal } = options;
  const collection = await spec.load(options).catch((error: unknown) => {
    throw signal.aborted ? interrupted() : error;
  });
  if (!signal.aborted) return collection;
  collection.close();
  throw interrupted();
}

function interrupted(): BpfError {
  return new BpfError("interrupted before any program was attached", { code: "ERR_INTERRUPTED" });
}

/** A map whose events are printed. */
type EventSource = RingBuffer | PerfEventArray;

function eventMaps(maps: Record<string, BpfMap>): EventSource[] {
  return Object.values(maps).filter(
    (map) => map instanceof RingBuffer || map instanceof PerfEventArray,
  );
}

/** Why there may be less to see than was hoped for. */
function hints(sources: readonly EventSource[], types: ReadonlyMap<string, string>): string[] {
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

/** What is printed, and how. */
interface Printing {
  count: number;
  json: boolean;
  /** What programs write with `bpf_printk`, too. */
  traced: boolean;
}

/** Prints the events of all ring buffers and perf event arrays until `ending` is aborted. */
async function printEvents(
  maps: Record<string, BpfMap>,
  types: ReadonlyMap<string, string>,
  { count, json, traced }: Printing,
  ending: AbortController,
): Promise<void> {
  const { signal } = ending;
  const sources = eventMaps(maps);
  for (const text of traced ? [] : hints(sources, types)) process.stderr.write(`${text}\n`);
  const table = new EventTable(sources.length > 1);
  let printed = 0;
  /** What is printed of an event. Losses do not count; people read of them on stderr. */
  const lineOf = (map: string, event: unknown): string => {
    if (event instanceof LostEvents) {
      const { lost, cpu } = event;
      if (json) return `${toJson({ map, lost, cpu })}\n`;
      say(`${map}: ${lost} events lost on CPU ${cpu}, their buffer was full`);
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

function dump(map: BpfMap, json: boolean): void {
  if (!("entries" in map) || typeof map.entries !== "function") {
    throw new BpfError(`map ${map.name} has no entries to print`, { code: "ERR_NO_ENTRIES" });
  }
  for (const [key, value] of map.entries() as Iterable<[unknown, unknown]>) {
    const line = json
      ? toJson({ map: map.name, key, value })
      : `${plain(map.name)}[${toJson(key)}] = ${toJson(value)}`;
    process.stdout.write(`${line}\n`);
  }
}
