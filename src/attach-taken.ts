/**
 * Which places programs of a section take, whether they need them or would do without. It attaches nothing.
 *
 * @module
 */

import { walksNamespace } from "../links/iterator-targets.ts";
import { type AttachPlaces, PLACE_NAMES } from "./attach-places.ts";
import { sectionMeaning } from "./spec/index.ts";

type Places = readonly (keyof AttachPlaces)[];

/** By the section's name, without what makes it sleepable, or by what is before its slash. */
const TAKEN: Readonly<Record<string, Places>> = {
  uprobe: ["pid"],
  uretprobe: ["pid"],
  "uprobe.multi": ["pid"],
  "uretprobe.multi": ["pid"],
  "uprobe.session": ["pid"],
  usdt: ["pid"],
  perf_event: ["sampling", "pid"],
  xdp: ["interface", "xdpMode"],
  "xdp.frags": ["interface", "xdpMode"],
  // Elements of maps.
  "xdp/devmap": [],
  "xdp.frags/devmap": [],
  "xdp/cpumap": [],
  "xdp.frags/cpumap": [],
  tc: ["interface", "direction"],
  classifier: ["interface", "direction"],
  "tc/ingress": ["interface"],
  "tc/egress": ["interface"],
  tcx: ["interface"],
  netkit: ["interface"],
  cgroup: ["cgroup"],
  "cgroup/skb": ["cgroup", "direction"],
  cgroup_skb: ["cgroup"],
  sockops: ["cgroup"],
  lsm_cgroup: ["cgroup"],
  sk_lookup: ["namespace"],
  flow_dissector: ["namespace"],
  netfilter: ["netfilter"],
  sk_skb: ["map"],
  sk_msg: ["map"],
  lirc_mode2: ["receiver"],
  lwt_in: ["route"],
  lwt_out: ["route"],
  lwt_xmit: ["route"],
  lwt_seg6local: ["route"],
};

/** The places that a program takes, by its section and, of iterators, what it walks. */
export function placesTaken(section: string, attachTo: string): Places {
  const key = sectionMeaning(section).prefix.replace(/\.s$/, "");
  if (key === "iter") return walked(attachTo);
  for (const name of [key, key.replace(/\/.*$/, "")]) {
    if (Object.hasOwn(TAKEN, name)) return TAKEN[name]!;
  }
  return [];
}

/**
 * Refuses places that no program takes: whoever gives one means it, and a process or an interface that is not heeded goes unseen.
 *
 * @throws TypeError.
 */
export function requirePlacesTaken(
  programs: readonly { section: string; attachTo: string }[],
  places: AttachPlaces,
): void {
  const taken = new Set(
    programs.flatMap(({ section, attachTo }) => placesTaken(section, attachTo)),
  );
  // What is no object is refused where options are read.
  const given = Object(places) as AttachPlaces;
  const unused = PLACE_NAMES.filter((name) => given[name] !== undefined && !taken.has(name));
  if (unused.length === 0) return;
  const others = [...taken].join(", ");
  throw new TypeError(
    `attach programs: no loaded program takes ${unused.join(" or ")}${others === "" ? "" : `; they take ${others}`}`,
  );
}

function walked(attachTo: string): Places {
  if (/^(bpf_map_elem|bpf_sk_storage_map|sockmap)$/.test(attachTo)) return ["map"];
  if (attachTo === "cgroup") return ["cgroup"];
  if (walksNamespace(attachTo)) return ["namespace"];
  return attachTo.startsWith("task") ? ["pid"] : [];
}
