/**
 * Whether a spec has just the members that one can have: a misspelt one, such as `max_entries` or `autoLoad`, would change
 * nothing in silence.
 *
 * Looked at when an object is loaded, not when it is parsed, which so costs what it did.
 *
 * @module
 */

import { didYouMean, nearMatches } from "../near-matches.ts";
import { shown } from "../options.ts";
import { emptyMap } from "./empty.ts";
import type { ObjectSpec, ProgramSpec } from "./types.ts";
import { VariableSpec } from "./variable.ts";

/** The names of all members of `T`; the compiler sees that none is missing. */
type MembersOf<T> = Readonly<Record<keyof T, true>>;

const OBJECT: MembersOf<ObjectSpec> = {
  byteOrder: true,
  license: true,
  kernelVersion: true,
  btf: true,
  programs: true,
  maps: true,
  variables: true,
  kconfig: true,
  ksyms: true,
  layout: true,
};

const PROGRAM: MembersOf<ProgramSpec> = {
  name: true,
  section: true,
  type: true,
  attachType: true,
  attachTypeOptional: true,
  attachTo: true,
  attachBtf: true,
  flags: true,
  autoload: true,
  instructions: true,
  functions: true,
  lines: true,
  coreRelocations: true,
  references: true,
};

const MAP: object = emptyMap("", "");

const VARIABLE: ReadonlySet<string> = new Set([
  "name",
  "section",
  "map",
  "offset",
  "size",
  "constant",
  "type",
] satisfies (keyof VariableSpec)[]);

/**
 * @throws TypeError for a member that no spec has, with those that may have been meant; for what is no spec of a program, map
 *   or variable, such as a variable that was assigned instead of set.
 */
export function requireKnownMembers(spec: ObjectSpec): void {
  requireKnown("the spec", spec, OBJECT);
  for (const [name, program] of Object.entries(spec.programs)) {
    requireKnown(`spec.programs.${name}`, program, PROGRAM);
  }
  for (const [name, map] of Object.entries(spec.maps)) {
    requireKnown(`spec.maps.${name}`, map, MAP);
    if (map.inner !== undefined) requireKnown(`spec.maps.${name}.inner`, map.inner, MAP);
  }
  for (const [name, variable] of Object.entries(spec.variables)) requireVariable(name, variable);
}

function requireVariable(name: string, variable: unknown): void {
  const what = `load an object: spec.variables.${name}`;
  const help = `spec.variables.${name}.set(…) changes the initial value`;
  if (!(variable instanceof VariableSpec)) {
    throw new TypeError(`${what} is ${shown(variable)}, not the spec of a variable; ${help}`);
  }
  // What it was constructed with cannot be changed: only what was added later is there to be found.
  const [added] = Object.keys(variable).filter((member) => !VARIABLE.has(member));
  if (added !== undefined) throw new TypeError(`${what} has no member "${added}"; ${help}`);
}

function requireKnown(what: string, value: unknown, known: object): void {
  if (typeof value !== "object" || value === null) {
    throw new TypeError(`load an object: ${what} is ${shown(value)}, not an object`);
  }
  for (const name of Object.keys(value)) {
    if (Object.hasOwn(known, name)) continue;
    const names = Object.keys(known);
    const hint = didYouMean(nearMatches(name, names)) || `; there are ${names.join(", ")}`;
    throw new TypeError(`load an object: ${what} has no member "${name}"${hint}`);
  }
}
