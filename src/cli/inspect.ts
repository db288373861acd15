/**
 * `ebpf inspect`: what an object says, without a kernel.
 *
 * @module
 */

import { typeName } from "../../btf/index.ts";
import { toHex } from "../bytes.ts";
import { ObjectError } from "../error.ts";
import type { MapSpec, ObjectSpec, ProgramSpec } from "../spec/index.ts";
import { AttachType, MapType, nameOf, ProgramFlags, ProgramType } from "../uapi.ts";
import { type Command, CommandError, readArguments, requireFiles } from "./command.ts";
import { explain, plain, printJson, printText, say, table, toJson } from "./output.ts";
import { inFile, readObject } from "./read.ts";

/** Characters that all type names of an object may have. */
const MAX_TYPE_NAMES = 0x80_0000;
/** Values of larger variables are not decoded: a few characters of them are shown at most. */
const SHOWN_SIZE = 256;

/** Shows programs, maps, variables and externs of object files, as text or JSON. */
export const inspect: Command = async (args) => {
  const { values, positionals } = readArguments(args, {
    json: { type: "boolean" },
    instructions: { type: "boolean" },
  });
  const files = requireFiles(positionals, "inspect");
  if (values.instructions === true && values.json !== true) {
    throw new CommandError("--instructions adds to the JSON: give --json too");
  }
  let failed = 0;
  const results = files.map((file) => {
    try {
      const { spec } = readObject(file);
      return inFile(file, () =>
        values.json === true
          ? describe(file, spec, values.instructions === true)
          : describeText(file, spec),
      );
    } catch (error) {
      failed++;
      const message = explain(error);
      say(`ebpf inspect: ${message}`);
      return values.json === true ? { file, error: message } : "";
    }
  });
  if (values.json !== true) printText(results.filter((part) => part !== "").join("\n"));
  else if (files.length > 1) printJson(results);
  else if (failed === 0) printJson(results[0]);
  return failed > 0 ? 1 : 0;
};

/** The JSON form of one object. */
export function describe(file: string, spec: ObjectSpec, instructions = false): object {
  const bounded = boundedTexts();
  return {
    file,
    byteOrder: spec.byteOrder,
    license: spec.license,
    kernelVersion: spec.kernelVersion,
    hasBtf: spec.btf !== undefined,
    programs: Object.values(spec.programs).map((program) => describeProgram(program, instructions)),
    maps: Object.values(spec.maps).map((map) => describeMap(map, bounded)),
    variables: Object.values(spec.variables).map((variable) => ({
      name: variable.name,
      section: variable.section,
      offset: variable.offset,
      size: variable.size,
      type: bounded(variable.typeName),
      constant: variable.constant,
    })),
    kconfig: spec.kconfig.map(({ name }) => name),
    ksyms: spec.ksyms.map(({ name, weak, kind }) => ({ name, weak, kind })),
  };
}

function describeProgram(program: ProgramSpec, instructions: boolean): object {
  return {
    name: program.name,
    section: program.section,
    type: nameOf(ProgramType, program.type),
    typeId: program.type,
    attachType: nameOf(AttachType, program.attachType),
    attachTypeId: program.attachType,
    hasAttachType: hasAttachType(program),
    attachTo: program.attachTo,
    sleepable: (program.flags & ProgramFlags.SLEEPABLE) !== 0,
    autoload: program.autoload,
    instructions: program.instructions.length / 8,
    coreRelocations: program.coreRelocations.length,
    maps: mapsOf(program),
    functions: program.functions.slice(1).map(({ name }) => name),
    ...(instructions ? { bytes: toHex(program.instructions) } : {}),
  };
}

/**
 * Whether its section says how to attach it. Where it says nothing the attach type is 0, as libbpf has it, which is also
 * the number of CGROUP_INET_INGRESS; the one section that means that, `cgroup_skb/ingress`, says it for younger kernels only.
 */
function hasAttachType({ attachType, attachTypeOptional }: ProgramSpec): boolean {
  return attachType !== 0 || attachTypeOptional;
}

/** Names of the maps that a program refers to, each once, as first referenced. */
function mapsOf(program: ProgramSpec): string[] {
  const names = program.references
    .filter(({ kind }) => kind === "map" || kind === "map-value")
    .map(({ name }) => name);
  return [...new Set(names)];
}

function describeMap(map: MapSpec, bounded: Bounded): object {
  return {
    name: map.name,
    type: nameOf(MapType, map.type),
    typeId: map.type,
    keySize: map.keySize,
    valueSize: map.valueSize,
    maxEntries: map.maxEntries,
    flags: map.flags,
    pinning: map.pinning === 1 ? 1 : 0,
    ...(map.pinning > 1 ? { otherPinning: map.pinning } : {}),
    mapExtra: map.mapExtra,
    numaNode: map.numaNode,
    key: bounded(typeOf(map, map.keyType)),
    value: bounded(typeOf(map, map.valueType)),
    inner: map.inner === undefined ? null : describeMap(map.inner, bounded),
    contents: map.data === undefined && map.structOps === undefined ? map.slots.length : 1,
    ...(map.structOps === undefined
      ? {}
      : { autocreate: map.autocreate, functions: map.structOps.functions() }),
  };
}

/** Numbers other than 0 and 1 are of other loaders. */
function pinningText(pinning: number): string {
  if (pinning === 0) return "";
  return pinning === 1 ? "by name" : `as ${pinning} says`;
}

/** C text of a map's key or value. A data section's is a list of variables, which is no type of C. */
function typeOf(map: MapSpec, id: number): string | undefined {
  if (map.btf === undefined || id === 0 || map.data !== undefined) return undefined;
  return typeName(map.btf, id);
}

type Bounded = (text: string | undefined) => string | null;

/** Passes type names on until there are too many: forged types have names as long as books. */
function boundedTexts(): Bounded {
  let room = MAX_TYPE_NAMES;
  return (text) => {
    room -= text?.length ?? 0;
    if (room < 0) {
      throw new ObjectError(
        `the names of its types have more than ${MAX_TYPE_NAMES} characters together`,
      );
    }
    return text ?? null;
  };
}

/** The form for people. */
export function describeText(file: string, spec: ObjectSpec): string {
  const bounded = boundedTexts();
  const btf = spec.btf === undefined ? "no BTF" : `${spec.btf.typeCount - 1} BTF types`;
  const title = `${file}: ${spec.byteOrder} endian, license "${spec.license}", ${btf}`;
  const parts = [`${plain(title)}\n`];
  if (Object.keys(spec.programs).length === 0) parts.push("\nno programs\n");
  const section = (
    title: string,
    header: readonly string[],
    rows: readonly (readonly string[])[],
  ): void => {
    if (rows.length > 0) parts.push(`\n${title}\n${table(header, rows)}`);
  };
  section(
    "programs",
    ["name", "section", "type", "attach type", "instructions", "CO-RE", "maps"],
    Object.values(spec.programs).map((program) => [
      program.name,
      program.section,
      program.type === 0 ? "unspecified" : nameOf(ProgramType, program.type),
      hasAttachType(program) ? nameOf(AttachType, program.attachType) : "",
      String(program.instructions.length / 8),
      String(program.coreRelocations.length),
      mapsOf(program).join(", "),
    ]),
  );
  section(
    "maps",
    ["name", "type", "key", "value", "entries", "pinned"],
    Object.values(spec.maps).map((map) => [
      map.name,
      nameOf(MapType, map.type),
      bounded(typeOf(map, map.keyType)) ?? `${map.keySize} bytes`,
      bounded(typeOf(map, map.valueType)) ?? `${map.valueSize} bytes`,
      String(map.maxEntries),
      pinningText(map.pinning),
    ]),
  );
  section(
    "function tables",
    ["map", "member", "program"],
    Object.values(spec.maps).flatMap(({ name, structOps }) =>
      Object.entries(structOps?.functions() ?? {}).map(([member, program]) => [
        name,
        member,
        program ?? "none",
      ]),
    ),
  );
  section(
    "variables",
    ["name", "type", "section", "value"],
    Object.values(spec.variables).map((variable) => [
      variable.name,
      bounded(variable.typeName) ?? `${variable.size} bytes`,
      variable.section,
      variable.size > SHOWN_SIZE ? "…" : short(variable.get()),
    ]),
  );
  section(
    "externs",
    ["name", "kind"],
    [
      ...spec.kconfig.map(({ name, weak }) => [name, `${weak ? "weak " : ""}kernel configuration`]),
      ...spec.ksyms.map(({ name, weak, kind }) => [name, `${weak ? "weak " : ""}kernel ${kind}`]),
    ],
  );
  return parts.join("");
}

function short(value: unknown): string {
  if (typeof value === "bigint") return value.toString();
  const whole = value instanceof Uint8Array ? toHex(value.subarray(0, 32)) : toJson(value);
  return whole.length <= 40 ? whole : `${whole.slice(0, 39)}…`;
}
