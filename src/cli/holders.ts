/**
 * Which processes hold programs, maps and links open, as `/proc` tells of those that this process may
 * look at.
 *
 * @module
 */

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A process that has a descriptor of an object. */
export interface Holder {
  readonly pid: number;
  readonly comm: string;
}

/** By the number of the object. */
export type Holders = ReadonlyMap<number, readonly Holder[]>;

/** What a descriptor of each kind is called, and which line of its information has the number. */
const PATTERNS: Readonly<
  Record<"program" | "map" | "link", readonly [target: RegExp, id: RegExp]>
> = {
  program: [/^anon_inode:\[?bpf-prog\]?$/, /^prog_id:\s*(\d+)$/m],
  map: [/^anon_inode:\[?bpf-map\]?$/, /^map_id:\s*(\d+)$/m],
  link: [/^anon_inode:\[?bpf[-_]link\]?$/, /^link_id:\s*(\d+)$/m],
};

/** Who holds which objects of a kind; processes that end meanwhile, and those of others, are left out. */
export function holdersOf(kind: "program" | "map" | "link", proc = "/proc"): Holders {
  const [target, line] = PATTERNS[kind];
  const holders = new Map<number, Holder[]>();
  for (const pid of listed(proc)) {
    if (!/^\d+$/.test(pid)) continue;
    const ids = new Set<number>();
    for (const fd of listed(`${proc}/${pid}/fd`)) {
      if (!target.test(tried(() => readlinkSync(`${proc}/${pid}/fd/${fd}`)))) continue;
      const info = tried(() => readFileSync(`${proc}/${pid}/fdinfo/${fd}`, "latin1"));
      const id = line.exec(info)?.[1];
      if (id !== undefined) ids.add(Number(id));
    }
    if (ids.size === 0) continue;
    const comm = tried(() => readFileSync(`${proc}/${pid}/comm`, "utf8")).trimEnd();
    for (const id of ids) {
      const list = holders.get(id) ?? [];
      list.push({ pid: Number(pid), comm });
      holders.set(id, list);
    }
  }
  return holders;
}

/** In JSON, as bpftool has it; nothing where nobody is known to hold it. */
export function pidsOf(holders: Holders, id: number): { pids?: readonly Holder[] } {
  const pids = holders.get(id);
  return pids === undefined ? {} : { pids };
}

/** `node(12), tc(13)`. */
export function holderText(holders: readonly Holder[] = []): string {
  return holders.map(({ pid, comm }) => `${comm}(${pid})`).join(", ");
}

function listed(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function tried(read: () => string): string {
  try {
    return read();
  } catch {
    return "";
  }
}
