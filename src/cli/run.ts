/**
 * `ebpf run`: loads an object, attaches its programs by section, and prints the events of its ring buffers.
 *
 * @module
 */

import { type BpfMap, RingBuffer } from "../../maps/index.ts";
import { attachPrograms } from "../attach.ts";
import { type Collection, CollectionSpec } from "../collection.ts";
import { BpfError } from "../error.ts";
import type { LoadOptions } from "../load-options.ts";
import { type Command, CommandError, noSuch, readArguments, requireFiles } from "./command.ts";
import { EventTable } from "./event-table.ts";
import { plain, say, toJson } from "./output.ts";
import { readObject } from "./read.ts";
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
      await printEvents(collection.maps, types, count, json, ending);
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

/** Runs `body` with what SIGINT or SIGTERM aborts; a second one ends the process at once. */
async function interruptible(body: (ending: AbortController) => Promise<number>): Promise<number> {
  const ending = new AbortController();
  const end = (): void => {
    process.off("SIGINT", end).off("SIGTERM", end);
    ending.abort();
  };
  process.on("SIGINT", end).on("SIGTERM", end);
  try {
    return await body(ending);
  } finally {
    process.off("SIGINT", end).off("SIGTERM", end);
  }
}

/** Why there may be less to see than was hoped for. */
function hints(maps: Record<string, BpfMap>, types: ReadonlyMap<string, string>): string[] {
  const rings = Object.values(maps).filter((map) => map instanceof RingBuffer);
  if (rings.length === 0) return ["the object has no ring buffer: there are no events to print"];
  return rings
    .filter((ring) => !ring.typed && !types.has(ring.name))
    .map(
      ({ name }) =>
        `${name} does not say what its events are: --as '${name}=struct TYPE' decodes them`,
    );
}

/** Prints the events of all ring buffers until `ending` is aborted. */
async function printEvents(
  maps: Record<string, BpfMap>,
  types: ReadonlyMap<string, string>,
  count: number,
  json: boolean,
  ending: AbortController,
): Promise<void> {
  const { signal } = ending;
  for (const text of hints(maps, types)) process.stderr.write(`${text}\n`);
  const rings = Object.values(maps).filter((map) => map instanceof RingBuffer);
  const table = new EventTable(rings.length > 1);
  let printed = 0;
  const readers = rings.map(async (ring) => {
    const as = types.get(ring.name);
    for await (const batch of ring.batches(as === undefined ? { signal } : { signal, as })) {
      const events = batch.slice(0, count - printed);
      printed += events.length;
      const lines = events.map((event) =>
        json ? `${toJson({ map: ring.name, event })}\n` : table.row(ring.name, event),
      );
      process.stdout.write(lines.join(""));
      if (printed >= count) ending.abort();
    }
  });
  // Without a ring buffer there is nothing to wait for but the end.
  readers.push(untilAborted(signal));
  try {
    await Promise.all(readers);
  } finally {
    // When one reader fails, the others end too.
    ending.abort();
  }
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
