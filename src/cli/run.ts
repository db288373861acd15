/**
 * `ebpf run`: loads an object, attaches its programs by section and where its options say, and prints the events of its ring buffers
 * and perf event arrays.
 *
 * @module
 */

import { IteratorLink } from "../../links/index.ts";
import { type BpfMap, PerfEventArray } from "../../maps/index.ts";
import { type AttachedLinks, attachPrograms } from "../attach.ts";
import { type Collection, CollectionSpec } from "../collection.ts";
import { BpfError } from "../error.ts";
import type { LoadOptions } from "../load-options.ts";
import { MapType } from "../uapi.ts";
import { type Command, CommandError, readArguments, requireFiles } from "./command.ts";
import { interruptible } from "./interrupt.ts";
import { printText, say, toJson } from "./output.ts";
import { readObject } from "./read.ts";
import { printContents, requireDumpable } from "./run-dump.ts";
import { eventMaps, eventTypes, hints, printEvents } from "./run-events.ts";
import {
  attachAt,
  attachedText,
  missingOptions,
  PLACE_OPTIONS,
  readPlaces,
  requireServed,
  requireTaken,
  setTargets,
  skipReason,
} from "./run-places.ts";
import { assignments, byteCount, milliseconds } from "./value.ts";
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
    buffer: { type: "string" },
    ...PLACE_OPTIONS,
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
  const buffer = values.buffer === undefined ? undefined : byteCount("--buffer", values.buffer);
  const json = values.json === true;
  const traced = values.trace === true;

  const spec = new CollectionSpec(readObject(file).spec);
  const kconfig = setVariables(spec, assignments(values.set ?? [], "--set"));
  const types = eventTypes(spec, values.as ?? []);
  requireDumpable(values.dump ?? [], spec);
  const places = readPlaces(values, spec);
  setTargets(spec, values.target ?? []);
  requireTaken(values, spec);
  if (buffer !== undefined) resizeRings(spec, buffer);

  return interruptible(async (ending) => {
    const pinPath = values["pin-path"];
    const options = { kconfig, signal: ending.signal, ...(pinPath !== undefined && { pinPath }) };
    await using collection = await load(spec, options);
    const maps: Record<string, BpfMap> = collection.maps;
    for (const map of Object.values(maps)) {
      if (map.pinnedPath !== undefined) say(`map ${map.name} stays pinned at ${map.pinnedPath}`);
    }
    const sources = eventMaps(maps);
    // Before programs write: what they write to a CPU without a buffer is gone.
    for (const map of sources) {
      if (map instanceof PerfEventArray) {
        map.openBuffers(buffer === undefined ? {} : { size: buffer });
      }
    }
    await using links = attachAt(places, maps, (at) =>
      attachPrograms(
        Object.values(collection.programs),
        { onError: "skip", ...at },
        Object.values(maps),
      ),
    );
    requireServed(values, spec, links);
    for (const link of links) say(`attached ${attachedText(link)}`);
    for (const skipped of links.skipped) {
      say(`skipped ${skipped.program}: ${skipReason(skipped, spec)}`);
    }
    requireSome(links);
    const iterators = [...links.byProgram].filter(([, link]) => link instanceof IteratorLink);
    for (const [name, link] of iterators) printOutput(name, link as IteratorLink, json);
    const isOver = iterators.length === links.size && sources.length === 0 && !traced;
    if (!isOver) {
      for (const text of traced ? [] : hints(sources, types)) say(text);
      const timer = duration === undefined ? undefined : setTimeout(() => ending.abort(), duration);
      try {
        await printEvents(sources, { types, count, json, traced }, ending);
      } finally {
        clearTimeout(timer);
      }
    }
    for (const name of values.dump ?? []) printContents(collection, name, json);
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

/** @throws BpfError when nothing was attached, with the options that would help. */
function requireSome({ size, skipped }: AttachedLinks): void {
  if (size > 0) return;
  const options = missingOptions(skipped);
  const hint = options.length === 0 ? "" : `; it takes ${options.join(", ")}`;
  throw new BpfError(`no program of the object was attached${hint}`, { code: "ERR_NOT_ATTACHED" });
}

function resizeRings(spec: CollectionSpec, size: number): void {
  for (const map of Object.values(spec.maps)) {
    // As for perf buffers; loading sees to it that it is a page at least.
    if (map.type === MapType.RINGBUF) map.maxEntries = 2 ** Math.ceil(Math.log2(size));
  }
}

/** What an iterator has to say, once. */
function printOutput(program: string, link: IteratorLink, json: boolean): void {
  const text = link.text();
  if (json) process.stdout.write(`${toJson({ program, text })}\n`);
  else printText(text);
}
