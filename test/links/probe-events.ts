/**
 * For the tests of this folder: events in tracefs that this process made. Whoever had its number before may have left some, which were
 * there when this was imported.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { tracefs } from "../../src/sys/paths.ts";

type List = "kprobe_events" | "uprobe_events";

const earlier: Readonly<Record<List, ReadonlySet<string>>> = {
  kprobe_events: new Set(linesThere("kprobe_events")),
  uprobe_events: new Set(linesThere("uprobe_events")),
};

/** Lines of tracefs that this process has added. */
export function ownProbeLines(list: List): string[] {
  return linesOf(list).filter((line) => !earlier[list].has(line));
}

function linesOf(list: List): string[] {
  const text = readFileSync(`${tracefs()}/${list}`, "utf8");
  return text.split("\n").filter((line) => line.includes(`ebpf/probe_${process.pid}_`));
}

/** None where a test that reads the list could not run. */
function linesThere(list: List): string[] {
  try {
    return linesOf(list);
  } catch {
    return [];
  }
}
