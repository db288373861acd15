/**
 * Tracepoints as tracefs lists them: from group and name to the number that perf events take, with suggestions for
 * names that are not there. It attaches nothing.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";
import { nearMatches } from "../src/near-matches.ts";
import { shown } from "../src/options.ts";
import { tracefs } from "../src/sys/paths.ts";
import { TargetError } from "../src/target-error.ts";

/** A tracepoint's two names. */
export interface TracepointName {
  group: string;
  name: string;
}

/** Letters of file names only, so that a name cannot lead out of the events directory. */
const PLAIN = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;

/**
 * Parses `group:name` and `group/name`.
 *
 * @throws TargetError (`ERR_TARGET`) for anything else.
 */
export function parseTracepointName(text: string): TracepointName {
  if (typeof text !== "string") {
    throw new TypeError(`${shown(text)} is not the name of a tracepoint, which is GROUP:NAME`);
  }
  const match = /^([^:/]+)[:/]([^:/]+)$/.exec(text);
  const group = match?.[1] ?? "";
  const name = match?.[2] ?? "";
  if (!PLAIN.test(group) || !PLAIN.test(name)) {
    throw new TargetError(`"${text}" is not the name of a tracepoint, which is GROUP:NAME`, {
      code: "ERR_TARGET",
      target: text,
      suggestions: PLAIN.test(text) ? sameNameInGroups(text) : [],
    });
  }
  return { group, name };
}

/**
 * The number of a tracepoint (`events/GROUP/NAME/id`).
 *
 * @throws TargetError (`ENOENT`) with names that exist; UnsupportedError when tracefs is not mounted.
 */
export function tracepointId(tracepoint: TracepointName): number {
  const { group, name } = tracepoint;
  const target = `${group}:${name}`;
  const root = tracefs();
  let text: string;
  try {
    text = readFileSync(`${root}/events/${group}/${name}/id`, "utf8").trim();
  } catch (cause) {
    const code = (cause as { code?: unknown }).code;
    if (code !== "ENOENT" && code !== "ENOTDIR") {
      throw new TargetError(
        `cannot read the number of tracepoint ${target}: ${String(code)} from ${root}/events` +
          (code === "EACCES" ? ", which only root may read unless it was mounted otherwise" : ""),
        { code: "ERR_TARGET", target, cause },
      );
    }
    throw unknownTracepoint(root, tracepoint, cause);
  }
  const id = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (id === 0) {
    throw new TargetError(`tracepoint ${target} has no number: its id file says "${text}"`, {
      code: "ERR_TARGET",
      target,
    });
  }
  return id;
}

function unknownTracepoint(root: string, wanted: TracepointName, cause: unknown): TargetError {
  const { group, name } = wanted;
  const target = `${group}:${name}`;
  const groups = listFolders(`${root}/events`);
  if (groups.includes(group)) {
    const near = nearMatches(name, listFolders(`${root}/events/${group}`));
    return new TargetError(`the kernel has no tracepoint ${target}`, {
      target,
      suggestions:
        near.length === 0 ? sameNameInGroups(name) : near.map((found) => `${group}:${found}`),
      cause,
    });
  }
  const nearGroups = nearMatches(group, groups);
  const inNearGroups = nearGroups.filter((found) =>
    listFolders(`${root}/events/${found}`).includes(name),
  );
  const suggestions = [
    ...inNearGroups.map((found) => `${found}:${name}`),
    ...sameNameInGroups(name),
  ];
  return new TargetError(
    `the kernel has no tracepoint ${target}, nor a group ${group}` +
      (groups.length < 2 ? `; ${root}/events is empty` : ""),
    {
      target,
      suggestions: suggestions.length === 0 ? nearGroups : [...new Set(suggestions)].slice(0, 3),
      cause,
    },
  );
}

/** `GROUP:NAME` of the tracepoints that have this name, or one close to it, in whatever group. */
function sameNameInGroups(name: string): string[] {
  let root: string;
  try {
    root = tracefs();
  } catch {
    // Suggestions are a courtesy; what is wrong with tracefs is said by who needs it.
    return [];
  }
  const full: string[] = [];
  const names = new Map<string, string>();
  for (const group of listFolders(`${root}/events`)) {
    for (const event of listFolders(`${root}/events/${group}`)) {
      if (event === name) full.push(`${group}:${event}`);
      if (!names.has(event)) names.set(event, `${group}:${event}`);
    }
  }
  if (full.length > 0) return full.slice(0, 3);
  return nearMatches(name, names.keys()).map((found) => names.get(found) as string);
}

function listFolders(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}
