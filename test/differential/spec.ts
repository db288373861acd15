/**
 * Compares what we read of every fixture with what libbpf's API reports of it. No test file: libbpf is not installed everywhere.
 *
 * ```
 * node dist/test/differential/spec.js [--libbpf PREFIX] [OBJECT…]      default: all of fixtures
 * ```
 *
 * Needs a C compiler and libbpf's static library: that of the system, or of PREFIX. Prints a line for each difference that
 * {@link EXPLAINED} does not explain, ends with counts, and exits 1 where there was a difference.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Kind } from "../../btf/index.ts";
import { toHex } from "../../src/bytes.ts";
import { type MapSpec, type ObjectSpec, parseObject } from "../../src/spec/index.ts";
import { MapType } from "../../src/uapi.ts";
import { fixtureObjects, fixturePath } from "../helper/fixtures.ts";
import { concerns, type Explanation, unopened } from "./explained.ts";
import { compile, SPEC, SYSTEM } from "./harness.ts";

/** A program of which libbpf knows no more than the name of its section. */
const UNKNOWN_SECTION = /^(ours: {3}\{"name":"on_|libbpf: .*"type":0,"attachType":0,)/;

/** By name of the fixture; every line that differs must match, and some line must. */
const EXPLAINED: Readonly<Record<string, Explanation>> = {
  ...unopened("refuses it: "),
  empty: {
    why: "libbpf before 1.5 takes a function of .text for a program where there is no other",
    before: "1.5",
    lines: /^libbpf: .*"name":"unused","section":"\.text","type":0/,
  },
  "extern-undefined": {
    why: "we say it when the program is loaded, libbpf when the object is opened",
    lines: /refuses it: .*failed to find BTF for extern 'defined_nowhere'/,
  },
  "sections-new": {
    why: "libbpf before 1.8 lacks some section names",
    before: "1.8",
    lines: UNKNOWN_SECTION,
  },
  "sections-prefix": {
    why: "libbpf takes no prefixes of section names, cilium/ebpf does",
    lines: UNKNOWN_SECTION,
  },
  congestion: {
    why: "libbpf before 1.2 knows no .struct_ops.link, before 1.4 it gives indexes of members as attach types, and no value types",
    before: "1.4",
    lines:
      /^(ours|libbpf): .*("section":"struct_ops\/|"name":"(counting|linked|other)","type":26,)/,
  },
  tables: {
    why: "libbpf before 1.2 knows no .struct_ops.link, before 1.4 it gives indexes of members as attach types, and no value types",
    before: "1.4",
    lines:
      /^(ours|libbpf): .*("section":"struct_ops(\.s)?\/|"name":"(scheduler|device)","type":26,)/,
  },
  "struct-ops": {
    why: "libbpf before 1.4 gives indexes of members as attach types, and no value types",
    before: "1.4",
    lines: /^(ours|libbpf): .*("section":"struct_ops\/|"name":"plain","type":26,)/,
  },
  "struct-ops-link": {
    why: "libbpf before 1.2 knows no .struct_ops.link",
    before: "1.2",
    lines: /^ours: .*"name":"(first|second)","type":26,/,
  },
  "struct-ops-optional": {
    why: "libbpf before 1.2 knows no .struct_ops.link, before 1.4 no ?.struct_ops",
    before: "1.4",
    lines: /"type":2[67],|"section":"struct_ops/,
  },
};

/**
 * Flags that libbpf gives its programs while it loads them, by their section, so that its getter does not have them yet:
 * BPF_F_SLEEPABLE and BPF_F_XDP_HAS_FRAGS.
 */
const LOAD_FLAGS = (1 << 4) | (1 << 5);
/** Sections whose variables have a map of another name. */
const ARENA = ".addr_space.1";
const { STRUCT_OPS } = MapType;

interface TheirMap {
  name: string;
  internal: boolean;
  typeId: number;
  keySize: number;
  valueSize: number;
  maxEntries: number;
  flags: number;
  pinning: number;
  mapExtra: number;
  numaNode: number;
  keyTypeId: number;
  valueTypeId: number;
  autocreate: boolean;
  contents: string | null;
  inner: TheirMap | null;
}

interface Theirs {
  libbpf: string;
  error?: string;
  log?: string;
  programs: {
    name: string;
    section: string;
    typeId: number;
    attachTypeId: number;
    flags: number;
    autoload: boolean;
  }[];
  maps: TheirMap[];
  variables: { name: string; section: string; offset: number; size: number; linkage: number }[];
}

/** `BTF_VAR_GLOBAL_ALLOCATED`: not static, nor hidden. */
const GLOBAL = 1;
/** The section of configuration values, which are externs and filled while loading. */
const KCONFIG = ".kconfig";

/** libbpf puts the object's name before those of data sections. */
function plainName({ name, internal }: TheirMap): string {
  return internal ? name.replace(/^[^.]*(?=\.)/, "") : name;
}

function theirMap(map: TheirMap): object {
  return {
    name: plainName(map),
    type: map.typeId,
    keySize: map.keySize,
    valueSize: map.valueSize,
    maxEntries: map.maxEntries,
    flags: map.flags,
    pinning: map.pinning,
    mapExtra: String(map.mapExtra),
    numaNode: map.numaNode,
    keyType: map.keyTypeId,
    valueType: map.valueTypeId,
    autocreate: map.autocreate,
    contents: plainName(map) === KCONFIG ? null : contentsText(map.typeId, map.contents),
    // Templates of inner maps are created all the same.
    inner: map.inner === null ? null : theirMap({ ...map.inner, numaNode: 0, autocreate: true }),
  };
}

/** `tells`: whether this libbpf says what the contents are. */
function ourMap(map: MapSpec, tells: boolean): object {
  const {
    name,
    type,
    keySize,
    valueSize,
    maxEntries,
    flags,
    pinning,
    numaNode,
    keyType,
    valueType,
    autocreate,
  } = map;
  const bytes = map.name === KCONFIG ? undefined : (map.structOps?.bytes() ?? map.data);
  return {
    name,
    type,
    keySize,
    valueSize,
    maxEntries,
    flags,
    pinning,
    mapExtra: String(map.mapExtra),
    numaNode,
    keyType,
    valueType,
    autocreate,
    contents: tells && bytes !== undefined ? contentsText(type, toHex(bytes)) : null,
    inner: map.inner === undefined ? null : ourMap({ ...map.inner, numaNode: 0 }, tells),
  };
}

/** Function tables of libbpf hold addresses of its own, so that only their sizes can be compared. */
function contentsText(type: number, hex: string | null): string | null {
  return hex !== null && type === STRUCT_OPS ? `${hex.length / 2} bytes` : hex;
}

/** Entries by name, one a line, so that a difference is found by line. */
function lines(entries: readonly object[]): string[] {
  return entries.map((entry) => JSON.stringify(entry)).sort();
}

function theirLines(theirs: Theirs): string[] {
  const programs = theirs.programs.map(
    ({ name, section, typeId, attachTypeId, flags, autoload }) => {
      return { name, section, type: typeId, attachType: attachTypeId, flags, autoload };
    },
  );
  const sections = theirs.maps.filter((map) => map.internal).map(plainName);
  const variables = theirs.variables
    .filter(({ linkage, section }) => linkage === GLOBAL && section !== KCONFIG)
    .filter(({ section }) => section === ARENA || sections.includes(section))
    .map(({ name, section, offset, size }) => ({ name, section, offset, size }));
  return [...lines(programs), ...lines(theirs.maps.map(theirMap)), ...lines(variables)];
}

function ourLines(spec: ObjectSpec, theirs: Theirs): string[] {
  const silent = new Set(theirs.maps.filter(({ contents }) => contents === null).map(plainName));
  const programs = Object.values(spec.programs).map(
    ({ name, section, type, attachType, flags, autoload }) => {
      return { name, section, type, attachType, flags: flags & ~LOAD_FLAGS, autoload };
    },
  );
  // Without BTF libbpf knows no variables.
  const variables = Object.values(spec.variables)
    .filter(({ type }) => type !== 0)
    .map(({ name, section, offset, size }) => ({ name, section, offset, size }));
  return [
    ...lines(programs),
    ...lines(Object.values(spec.maps).map((map) => ourMap(map, !silent.has(map.name)))),
    ...lines(variables),
  ];
}

/** libbpf puts addresses of its own programs where a function table has functions; here they are zero. */
function withoutAddresses(map: TheirMap, spec: ObjectSpec): TheirMap {
  const { structOps, btf, valueType } = spec.maps[map.name] ?? {};
  if (structOps === undefined || map.contents === null) return map;
  const type = btf?.type(valueType ?? 0);
  const bytes = Buffer.from(map.contents, "hex");
  for (const { name, bitOffset } of type?.kind === Kind.STRUCT ? type.members : []) {
    if (name in structOps.functions()) bytes.fill(0, bitOffset / 8, bitOffset / 8 + 8);
  }
  return { ...map, contents: toHex(bytes) };
}

/** What libbpf makes of an object. */
function ask(oracle: string, object: string): Theirs {
  const { stdout } = spawnSync(oracle, [object], { encoding: "utf8", maxBuffer: 1 << 28 });
  return JSON.parse(stdout) as Theirs;
}

/** How the two readings of an object differ, one line a difference. */
function differences(theirs: Theirs, object: string): string[] {
  let spec: ObjectSpec;
  try {
    spec = parseObject(readFileSync(object));
  } catch (error) {
    return theirs.error === undefined ? [`we refuse it: ${error}`] : [];
  }
  if (theirs.error !== undefined) {
    return [`libbpf refuses it: ${theirs.log?.trim().replaceAll("\n", "; ")}: ${theirs.error}`];
  }
  theirs.maps = theirs.maps.map((map) => withoutAddresses(map, spec));
  const ours = ourLines(spec, theirs);
  const expected = theirLines(theirs);
  return [
    ...ours.filter((line) => !expected.includes(line)).map((line) => `ours:   ${line}`),
    ...expected.filter((line) => !ours.includes(line)).map((line) => `libbpf: ${line}`),
  ];
}

/** What of the differences is not explained, and of the explanation not needed. */
function complaintsOf(
  found: readonly string[],
  known: Explanation | undefined,
  libbpf: string,
): string[] {
  if (known === undefined || !concerns(known, libbpf)) return [...found];
  const complaints = found.filter((line) => !known.lines.test(line));
  return found.length > 0
    ? complaints
    : [`there is no difference, but it is explained: ${known.why}`];
}

function main(objects: readonly string[], prefix: string): number {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-differential-"));
  let compared = 0;
  let explained = 0;
  let different = 0;
  let libbpf = "";
  try {
    const oracle = compile(SPEC, folder, prefix);
    for (const object of objects) {
      const theirs = ask(oracle, object);
      libbpf = theirs.libbpf;
      const found = differences(theirs, object);
      const name = basename(object);
      const known = EXPLAINED[name.split(".")[0] ?? ""];
      const complaints = complaintsOf(found, known, libbpf);
      compared++;
      if (complaints.length > 0) {
        different++;
        process.stdout.write(`${name}:\n${complaints.map((line) => `  ${line}\n`).join("")}`);
      } else if (found.length > 0) {
        explained++;
        process.stdout.write(`${name}: ${found.length} lines differ: ${known?.why}\n`);
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  process.stdout.write(
    `specs: ${compared} objects compared with libbpf ${libbpf}, ${explained} explained, ${different} differences\n`,
  );
  return different > 0 || compared === 0 ? 1 : 0;
}

const given = process.argv.slice(2);
const prefix = given[0] === "--libbpf" ? (given.splice(0, 2)[1] ?? "") : SYSTEM;
// libbpf 1.1 opens objects of its own byte order only; the golden tests hold the others to the same specs.
const own = fixtureObjects().filter((name) => name.endsWith(".el.o"));
process.exitCode = main(given.length > 0 ? given : own.map(fixturePath), prefix);
