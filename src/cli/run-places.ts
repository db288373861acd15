/**
 * The options of `ebpf run` that say where programs go whose sections do not.
 *
 * @module
 */

import { isIP } from "node:net";
import {
  type Link,
  NetworkNamespace,
  ProbeGroup,
  type SocketMapTarget,
} from "../../links/index.ts";
import type { BpfMap } from "../../maps/index.ts";
import type { AttachedLinks, Skipped } from "../attach.ts";
import type { AttachPlaces } from "../attach-places.ts";
import { takesTarget } from "../attach-section.ts";
import { placesTaken } from "../attach-taken.ts";
import type { CollectionSpec } from "../collection.ts";
import { CommandError, noSuch } from "./command.ts";
import { assignments } from "./value.ts";

/** As `parseArgs` of Node takes them. */
export const PLACE_OPTIONS = {
  interface: { type: "string" },
  "xdp-mode": { type: "string" },
  direction: { type: "string" },
  cgroup: { type: "string" },
  netns: { type: "string" },
  netfilter: { type: "string" },
  pid: { type: "string" },
  frequency: { type: "string" },
  map: { type: "string" },
  receiver: { type: "string" },
  route: { type: "string" },
  via: { type: "string" },
  target: { type: "string", multiple: true },
} as const;

/** What these options were given. */
export type PlaceValues = {
  [Name in Exclude<keyof typeof PLACE_OPTIONS, "target">]?: string | undefined;
} & { target?: string[] | undefined };

/** The option that gives a place. */
const FLAGS: Readonly<Record<keyof AttachPlaces, string>> = {
  interface: "--interface NAME",
  xdpMode: "--xdp-mode MODE",
  direction: "--direction ingress or --direction egress",
  cgroup: "--cgroup PATH",
  namespace: "--netns PATH",
  netfilter: "--netfilter FAMILY:HOOK",
  pid: "--pid NUMBER",
  sampling: "--frequency HERTZ",
  map: "--map NAME",
  receiver: "--receiver DEVICE",
  route: "--route PREFIX with --interface NAME or --via ADDRESS",
};

/** The places that an option says something of. */
const SERVED: Readonly<
  Record<Exclude<keyof PlaceValues, "target">, readonly (keyof AttachPlaces)[]>
> = {
  interface: ["interface", "route"],
  "xdp-mode": ["xdpMode"],
  direction: ["direction"],
  cgroup: ["cgroup"],
  netns: ["namespace", "interface", "netfilter", "route"],
  netfilter: ["netfilter"],
  pid: ["pid"],
  frequency: ["sampling"],
  map: ["map"],
  receiver: ["receiver"],
  route: ["route"],
  via: ["route"],
};

const MODES = ["native", "skb", "offload"] as const;
const DIRECTIONS = ["ingress", "egress"] as const;
const FAMILIES = ["ipv4", "ipv6"] as const;
const HOOKS = ["prerouting", "input", "forward", "output", "postrouting"] as const;

/** Where programs go: what `attach` takes, but for what is open by then only. */
export interface Places {
  /** Without `namespace` and `map`. */
  readonly places: AttachPlaces;
  /** The network namespace in which all is attached. */
  readonly namespace: string | number | undefined;
  /** Name of the map that programs go to. */
  readonly map: string | undefined;
}

/** Reads the options. @throws CommandError for values that make no sense. */
export function readPlaces(values: PlaceValues, spec: CollectionSpec): Places {
  const { interface: device, cgroup, receiver, route, via, map } = values;
  for (const [name, value] of Object.entries({ interface: device, cgroup, receiver, map })) {
    if (value === "") throw new CommandError(`--${name} is empty`);
  }
  if (map !== undefined && spec.maps[map] === undefined) {
    throw new CommandError(noSuch("the object has no map", map, Object.keys(spec.maps)));
  }
  if (via !== undefined && (route === undefined || isIP(via) === 0)) {
    throw new CommandError(`--via ${via}: an address is expected, and --route beside it`);
  }
  const mode = oneOf("--xdp-mode", values["xdp-mode"], MODES);
  const direction = oneOf("--direction", values.direction, DIRECTIONS);
  const pid = whole("--pid", values.pid);
  const frequency = whole("--frequency", values.frequency);
  const netfilter = netfilterHook(values.netfilter);
  const on = device === undefined ? {} : { interface: device };
  return {
    places: {
      ...on,
      ...(mode !== undefined && { xdpMode: mode }),
      ...(direction !== undefined && { direction }),
      ...(cgroup !== undefined && { cgroup }),
      ...(netfilter !== undefined && { netfilter }),
      ...(pid !== undefined && { pid }),
      ...(frequency !== undefined && { sampling: { frequency } }),
      ...(receiver !== undefined && { receiver }),
      ...(route !== undefined && {
        route: { to: route, ...on, ...(via !== undefined && { via }) },
      }),
    },
    namespace: namespaceOf(values.netns),
    map,
  };
}

/**
 * Refuses options of places that no program goes to: whoever gives one means it. Targets are known by then.
 *
 * @throws CommandError.
 */
export function requireTaken(values: PlaceValues, spec: CollectionSpec): void {
  const taken = new Set(
    Object.values(spec.programs).flatMap(({ autoload, section, attachTo }) =>
      autoload ? placesTaken(section, attachTo) : [],
    ),
  );
  for (const [option, places] of Object.entries(SERVED)) {
    const isGiven = values[option as keyof typeof SERVED] !== undefined;
    if (!isGiven || places.some((place) => taken.has(place))) continue;
    const others = [...taken].map((place) => FLAGS[place]).join(", ");
    throw new CommandError(
      `--${option}: no program of the object takes it${others === "" ? "" : `; they take ${others}`}`,
    );
  }
  const { route, interface: device, via } = values;
  if (route !== undefined && device === undefined && via === undefined) {
    throw new CommandError(
      `--route ${route}: --interface NAME, --via ADDRESS or both are expected beside it, which say where packets leave`,
    );
  }
}

/**
 * Throws the error of a place that an option gave and at which nothing was attached: whoever gives one means it. Where some
 * programs were attached there and others were not, it is not the place.
 */
export function requireServed(
  values: PlaceValues,
  spec: CollectionSpec,
  { byProgram, skipped }: AttachedLinks,
): void {
  const failed = skipped.filter(({ error }) => error !== undefined);
  const named = new Set(assignments(values.target ?? [], "--target").map(([name]) => name));
  for (const { program, error } of failed) if (named.has(program)) throw error;
  for (const [option, places] of Object.entries(SERVED)) {
    if (values[option as keyof typeof SERVED] === undefined) continue;
    const takes = (name: string): boolean => {
      const program = spec.programs[name];
      if (program === undefined) return false;
      const taken = placesTaken(program.section, program.attachTo);
      return places.some((place) => taken.includes(place));
    };
    const first = failed.find(({ program }) => takes(program));
    if (first !== undefined && ![...byProgram.keys()].some(takes)) throw first.error;
  }
}

/** Attaches in the namespace of the options, with what is open now. */
export function attachAt<T>(
  { places, namespace, map }: Places,
  maps: Readonly<Record<string, BpfMap>>,
  attach: (places: AttachPlaces) => T,
): T {
  // What it is good for is the kernel's to say, by program.
  const walked = map === undefined ? {} : { map: maps[map] as SocketMapTarget };
  if (namespace === undefined) return attach({ ...places, ...walked });
  using opened = NetworkNamespace.open(namespace);
  return opened.run(() => attach({ ...places, ...walked, namespace: opened }));
}

/** Gives programs their targets that `--target PROGRAM=TARGET` says. @throws CommandError. */
export function setTargets(spec: CollectionSpec, texts: readonly string[]): void {
  for (const [name, target] of assignments(texts, "--target")) {
    const program = spec.programs[name];
    if (program === undefined) {
      const names = Object.keys(spec.programs);
      throw new CommandError(noSuch("--target: the object has no program", name, names));
    }
    if (!takesTarget(program.section)) {
      throw new CommandError(
        `--target ${name}: programs of section ${program.section} have no target to be named`,
      );
    }
    if (target === "") throw new CommandError(`--target ${name}: the target is empty`);
    program.attachTo = target;
  }
}

/** What was attached to what, and which of a pattern's functions are left out. */
export function attachedText(link: Link): string {
  if (!(link instanceof ProbeGroup) || link.skipped.length === 0) return link.description;
  const names = link.skipped.slice(0, 3).map(({ target }) => target);
  const rest = link.skipped.length - names.length;
  const missing = `${names.join(", ")}${rest === 0 ? "" : ` and ${rest} more`}`;
  return `${link.description}, but for ${missing}, which cannot be probed one by one`;
}

/** Why a program was not attached, in terms of the command line. */
export function skipReason(
  { program, section, reason, place, error }: Skipped,
  spec: CollectionSpec,
): string {
  if (error !== undefined) return reason;
  if (place !== undefined) return `section ${section} does not say where: ${FLAGS[place]} does`;
  if (spec.programs[program]?.attachTo !== "" || !takesTarget(section)) return reason;
  return `section ${section} names no target: --target ${program}=TARGET does`;
}

/** The options that would have let more programs be attached, each once. */
export function missingOptions(skipped: readonly Skipped[]): string[] {
  return [...new Set(skipped.flatMap(({ place }) => (place === undefined ? [] : [FLAGS[place]])))];
}

function oneOf<const T extends string>(
  option: string,
  value: string | undefined,
  names: readonly T[],
): T | undefined {
  if (value === undefined) return undefined;
  const found = names.find((name) => name === value);
  if (found !== undefined) return found;
  throw new CommandError(`${option} ${value} is none of ${names.join(", ")}`);
}

function whole(option: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (/^\d+$/.test(value) && number >= 1 && number <= 0x7fff_ffff) return number;
  throw new CommandError(`${option} ${value} is no whole number above 0`);
}

/** `ipv4:input` or `ipv6:forward:-10`. */
function netfilterHook(text: string | undefined): AttachPlaces["netfilter"] {
  if (text === undefined) return undefined;
  const [, family, hook, priority] = /^(\w+):(\w+)(?::(-?\d+))?$/.exec(text) ?? [];
  if (family === undefined || hook === undefined) {
    throw new CommandError(`--netfilter ${text}: FAMILY:HOOK or FAMILY:HOOK:PRIORITY is expected`);
  }
  return {
    family: oneOf("--netfilter:", family, FAMILIES)!,
    hook: oneOf("--netfilter:", hook, HOOKS)!,
    ...(priority !== undefined && { priority: Number(priority) }),
  };
}

/** A path, the number of a process, or a name as ip-netns(8) has them. */
function namespaceOf(text: string | undefined): string | number | undefined {
  if (text === "") throw new CommandError("--netns is empty");
  if (text === undefined || text.includes("/")) return text;
  return /^\d+$/.test(text) ? whole("--netns", text) : `/run/netns/${text}`;
}
