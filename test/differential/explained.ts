/**
 * Why libbpf, or an old one, says something else of an object than we do, and why we do not follow.
 *
 * @module
 */

/** Why the answers on an object differ, and how. */
export interface Explanation {
  readonly why: string;
  /** What a line of the difference may be. */
  readonly lines: RegExp;
  /** The release of libbpf until which it holds. */
  readonly before?: string;
}

/** Whether an explanation is for that release, such as `v1.4`. */
export function concerns({ before }: Explanation, libbpf: string): boolean {
  return before === undefined || order(libbpf) < order(before);
}

function order(release: string): number {
  const [major = 0, minor = 0] = release.replace("v", "").split(".").map(Number);
  return major * 1000 + minor;
}

const LEGACY: Explanation = {
  why: "libbpf dropped these maps in 1.0, cilium/ebpf reads them",
  lines: /legacy map definitions in 'maps' section are not supported by libbpf v1\.0/,
};

/** Objects that libbpf does not open, by name of the fixture; `lines` is what it complains of. */
const UNOPENED: Readonly<Record<string, Explanation>> = {
  arena: {
    why: "libbpf before 1.4 knows no arena variables",
    lines: /bad map relo against 'first' in section '\.addr_space\.1'/,
    before: "1.4",
  },
  aya: LEGACY,
  "jump-tables": {
    why: "libbpf before 1.7 knows no jump tables",
    lines: /bad map relo against 'BPF\.JT\.\d\.0' in section '\.jumptables'/,
    before: "1.7",
  },
  "legacy-maps": LEGACY,
  "legacy-maps-long": LEGACY,
  "linked-two": {
    why: "an extern map is left to a linker; we say it when a program is loaded that uses it",
    lines: /unrecognized extern section '\.maps'/,
  },
  "map-hidden": {
    why: "a hidden map has a name all the same",
    lines: /map 'hidden_map': unsupported map linkage static/,
  },
  "static-in-section": {
    why: "libbpf refuses static functions in program sections, cilium/ebpf links them",
    lines: /program 'helper' is static and not supported/,
  },
  "unknown-sections": {
    why: "libbpf links subprograms of .text only, cilium/ebpf those of all sections",
    lines: /prog 'known': bad call relo against 'shared' in section 'library'/,
  },
};

/** Explanations of all objects that libbpf does not open; a line is `prefix` and then its complaint. */
export function unopened(prefix: string): Record<string, Explanation> {
  return Object.fromEntries(
    Object.entries(UNOPENED).map(([name, { lines, ...rest }]) => {
      return [name, { ...rest, lines: new RegExp(`${prefix}.*${lines.source}`) }];
    }),
  );
}
