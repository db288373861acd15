/**
 * `ebpf run`: loads an object, attaches its programs by section, and prints the events of its ring buffers.
 *
 * @module
 */

import { type BpfMap, RingBuffer } from "../../maps/index.ts";
import { attachPrograms } from "../attach.ts";
import { CollectionSpec } from "../collection.ts";
import { BpfError } from "../error.ts";
import { type Command, CommandError, readArguments, requireFiles } from "./command.ts";
import { EventTable } from "./event-table.ts";
import { toJson } from "./output.ts";
import { readObject } from "./read.ts";
import { assignments, milliseconds, parseValue } from "./value.ts";

/** Runs until a signal, `--duration` or `--count` ends it; then prints the maps of `--dump`. */
export const run: Command = async (args) => {
  const { values, positionals } = readArguments(args, {
    json: { type: "boolean" },
    duration: { type: "string" },
    count: { type: "string" },
    set: { type: "string", multiple: true },
    as: { type: "string", multiple: true },
    dump: { type: "string", multiple: true },
  });
  const [file, second] = requireFiles(positionals, "run FILE");
  if (file === undefined || second !== undefined)
    throw new CommandError("run takes one object file");
  const duration = values.duration === undefined ? undefined : milliseconds(values.duration);
  const count = values.count === undefined ? Number.POSITIVE_INFINITY : Number(values.count);
  if (!(count > 0)) throw new CommandError(`--count ${values.count} is no number above 0`);

  const spec = new CollectionSpec(readObject(file));
  for (const [name, text] of assignments(values.set ?? [], "--set")) {
    const variable = spec.variables[name];
    if (variable === undefined) {
      const names = Object.keys(spec.variables).join(", ") || "none";
      throw new CommandError(`--set ${name}: the object has no such variable; it has ${names}`);
    }
    variable.set(parseValue(text));
  }
  const types = new Map(assignments(values.as ?? [], "--as"));
  for (const name of [...types.keys(), ...(values.dump ?? [])]) {
    if (spec.maps[name] === undefined) throw new CommandError(`the object has no map ${name}`);
  }

  const ending = new AbortController();
  const end = (): void => ending.abort();
  process.once("SIGINT", end).once("SIGTERM", end);
  await using collection = await spec.load();
  await using links = attachPrograms(Object.values(collection.programs), { onError: "skip" });
  for (const { description } of links) process.stderr.write(`attached ${description}\n`);
  for (const { program, reason } of links.skipped)
    process.stderr.write(`skipped ${program}: ${reason}\n`);
  if (links.size === 0)
    throw new BpfError("no program of the object was attached", { code: "ERR_NOT_ATTACHED" });

  const timer = duration === undefined ? undefined : setTimeout(end, duration);
  try {
    await printEvents(collection.maps, types, count, values.json === true, ending);
  } finally {
    clearTimeout(timer);
    process.off("SIGINT", end).off("SIGTERM", end);
  }
  for (const name of values.dump ?? []) dump(collection.maps[name]!, values.json === true);
  return 0;
};

/** Prints the events of all ring buffers until `ending` is aborted. */
async function printEvents(
  maps: Record<string, BpfMap>,
  types: ReadonlyMap<string, string>,
  count: number,
  json: boolean,
  ending: AbortController,
): Promise<void> {
  const { signal } = ending;
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
  await Promise.all(readers);
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
      : `${map.name}[${toJson(key)}] = ${toJson(value)}`;
    process.stdout.write(`${line}\n`);
  }
}
