/**
 * Compares what we read of every fixture with what libbpf's API reports of it. No test file: libbpf is not installed everywhere.
 *
 * ```
 * node dist/test/differential/spec.js [OBJECT…]      default: all of fixtures
 * ```
 *
 * Needs a C compiler and libbpf. Prints a line for each difference that {@link EXPLAINED} does not explain, ends with counts, and exits 1
 * where there was a difference.
 *
 * @module
 */

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type MapSpec, type ObjectSpec, parseObject } from "../../src/spec/index.ts";
import { fixtureObjects, fixturePath } from "../helper/fixtures.ts";

/** Where libbpf, or the old one that Debian has, says something else, and why we do not follow. */
const EXPLAINED: Readonly<Record<string, string>> = {
  arena: "libbpf before 1.4 knows no arena variables",
  "bss-custom": "libbpf before 1.3 knows no .bss.NAME",
  "extern-undefined": "we say it when the program is loaded, libbpf when the object is opened",
  "legacy-maps": "libbpf dropped these maps in 1.0, cilium/ebpf reads them",
  "legacy-maps-long": "libbpf dropped these maps in 1.0, cilium/ebpf reads them",
  "linked-two": "an extern map is left to a linker; we say it when the program is loaded",
  "map-hidden": "a hidden map has a name all the same",
  "sections-new": "libbpf before 1.8 lacks some section names",
  "sections-prefix": "libbpf takes no prefixes of section names, cilium/ebpf does",
  "static-in-section":
    "libbpf refuses static functions in program sections, cilium/ebpf links them",
  "struct-ops": "struct_ops maps are not read yet",
  "unknown-sections": "libbpf links subprograms of .text only, cilium/ebpf those of all sections",
};

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
  inner: TheirMap | null;
}

interface Theirs {
  error?: string;
  programs: {
    name: string;
    section: string;
    typeId: number;
    attachTypeId: number;
    autoload: boolean;
  }[];
  maps: TheirMap[];
}

function theirMap(map: TheirMap): object {
  return {
    // libbpf puts the object's name before those of data sections.
    name: map.internal ? map.name.replace(/^[^.]*(?=\.)/, "") : map.name,
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
    inner: map.inner === null ? null : theirMap({ ...map.inner, numaNode: 0 }),
  };
}

function ourMap(map: MapSpec): object {
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
  } = map;
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
    inner: map.inner === undefined ? null : ourMap({ ...map.inner, numaNode: 0 }),
  };
}

/** Entries by name, one a line, so that a difference is found by line. */
function lines(entries: readonly object[]): string[] {
  return entries.map((entry) => JSON.stringify(entry)).sort();
}

function theirLines(theirs: Theirs): string[] {
  const programs = theirs.programs.map(({ name, section, typeId, attachTypeId, autoload }) => {
    return { name, section, type: typeId, attachType: attachTypeId, autoload };
  });
  return [...lines(programs), ...lines(theirs.maps.map(theirMap))];
}

function ourLines(spec: ObjectSpec): string[] {
  const programs = Object.values(spec.programs).map(
    ({ name, section, type, attachType, autoload }) => {
      return { name, section, type, attachType, autoload };
    },
  );
  return [...lines(programs), ...lines(Object.values(spec.maps).map(ourMap))];
}

function differences(oracle: string, object: string): string[] {
  const { stdout } = spawnSync(oracle, [object], { encoding: "utf8" });
  const theirs = JSON.parse(stdout) as Theirs;
  let ours: string[];
  try {
    ours = ourLines(parseObject(readFileSync(object)));
  } catch (error) {
    return theirs.error === undefined ? [`we refuse it: ${error}`] : [];
  }
  if (theirs.error !== undefined) return [`libbpf refuses it: ${theirs.error}`];
  const expected = theirLines(theirs);
  return [
    ...ours.filter((line) => !expected.includes(line)).map((line) => `ours:   ${line}`),
    ...expected.filter((line) => !ours.includes(line)).map((line) => `libbpf: ${line}`),
  ];
}

function main(objects: readonly string[]): number {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-differential-"));
  let compared = 0;
  let explained = 0;
  let different = 0;
  try {
    const oracle = join(folder, "spec");
    execFileSync("cc", ["-O1", SOURCE, "-o", oracle, "-lbpf"]);
    for (const object of objects) {
      const found = differences(oracle, object);
      const name = basename(object);
      const reason = EXPLAINED[name.split(".")[0] ?? ""];
      compared++;
      if (found.length === 0) continue;
      if (reason !== undefined) {
        explained++;
        process.stdout.write(`${name}: differs: ${reason}\n`);
        continue;
      }
      different++;
      process.stdout.write(`${name}:\n${found.map((line) => `  ${line}\n`).join("")}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
  process.stdout.write(
    `specs: ${compared} objects compared with libbpf, ${explained} explained, ${different} differences\n`,
  );
  return different > 0 || compared === 0 ? 1 : 0;
}

/** The C source stays where it is when this file is compiled to another folder. */
const SOURCE = fileURLToPath(
  new URL("../test/differential/spec.c", import.meta.resolve("#fixtures/Makefile")),
);

const given = process.argv.slice(2);
// libbpf 1.1 opens objects of its own byte order only; the golden tests hold the others to the same specs.
const own = fixtureObjects().filter((name) => name.endsWith(".el.o"));
process.exitCode = main(given.length > 0 ? given : own.map(fixturePath));
