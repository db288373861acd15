/**
 * Making maps in the kernel.
 *
 * What the running kernel refuses is tried again without the parts that older kernels do not know;
 * what is refused for good is explained.
 *
 * @module
 */

import { SyscallError } from "../src/error.ts";
import { checkOptions } from "../src/options.ts";
import { emptyMap } from "../src/spec/empty.ts";
import type { MapSpec } from "../src/spec/types.ts";
import { mapCreate } from "../src/sys/bpf.ts";
import { effectiveCapabilities } from "../src/sys/capabilities.ts";
import { FileDescriptor } from "../src/sys/fd.ts";
import { pageSize, possibleCpus, release } from "../src/sys/kernel.ts";
import { MapFlags } from "../src/uapi.ts";
import { defineMap, type MapDefinition } from "./definition.ts";
import { explainCreation } from "./diagnosis.ts";
import { type HandleOptions, handleOf } from "./handle.ts";
import type { BpfMap } from "./map.ts";
import { holdsMaps, templateOf } from "./spec-check.ts";
import { type StorageTypes, storageTypes } from "./storage-types.ts";

/** What a map is created with besides its spec. */
export interface CreateOptions extends HandleOptions {
  /** The object's BTF in the kernel; without it the kernel is told no types. */
  btf?: FileDescriptor | undefined;
  /** BTF id in vmlinux, or in `valueTypeBtf`, of the value of a struct_ops map. Linux 5.6. */
  vmlinuxValueType?: number | undefined;
  /** BTF of the module that has `vmlinuxValueType`. Linux 6.9. */
  valueTypeBtf?: FileDescriptor | undefined;
  /** A BPF token that permits what the process may not. Linux 6.9. */
  token?: FileDescriptor | undefined;
}

/**
 * A map to create: its type, and what differs from nothing. Sizes are 0, flags are none, and the
 * name is empty by default.
 */
export interface MapInit extends Partial<Omit<MapSpec, "type" | "inner">> {
  /** `MapType`. */
  type: number;
  /** The template of the maps in a map of maps. */
  inner?: MapInit | undefined;
}

const OPTIONS = ["btf", "int64", "vmlinuxValueType", "valueTypeBtf", "token"] as const;
/** Refusals that another attempt would meet again. */
const FINAL: ReadonlySet<string> = new Set(["EPERM", "ENOMEM", "ENFILE", "EMFILE"]);

/**
 * Creates the map that `init` describes, which is not changed, and gives a handle by its type. A
 * MapSpec of an object will do, and so will `{ type: MapType.HASH, keySize: 4, valueSize: 8,
 * maxEntries: 64 }`.
 *
 * Initial contents are not stored here: they need the other maps, and the programs. Nor is it
 * pinned, whatever the spec says; {@link BpfMap.pin} does that.
 *
 * @throws MapSpecError that names the member of the spec which no map of the type can have;
 *   TypeError for members that a MapSpec does not have; UnsupportedError when the running kernel is
 *   older than the map type or a flag; SyscallError otherwise, with the reason in its message where
 *   it can be told.
 */
export function createMap(init: MapInit, options: CreateOptions = {}): BpfMap {
  requireObject("create a map: what it is to be", init);
  requireObject("create a map: options", options);
  checkOptions("create a map", options, OPTIONS);
  const spec = completeSpec(init);
  const cpus = possibleCpus();
  const definition = defineMap(spec, { cpus, pageSize: pageSize() });
  checkCreateOptions(`create map ${spec.name}`, options);
  const inner = createTemplate(spec, options);
  let types: StorageTypes | undefined;
  try {
    types = storageTypes(definition, options.btf);
    const { fd, flags } = tryToCreate(
      spec,
      { ...definition, ...types },
      { ...options, btf: types?.btf ?? options.btf },
      inner,
    );
    try {
      return handleOf(fd, { ...definition, flags }, spec, { int64: options.int64 });
    } catch (error) {
      fd.close();
      throw error;
    }
  } finally {
    types?.btf.close();
    inner?.close();
  }
}

function completeSpec(init: MapInit): MapSpec {
  const empty = emptyMap("", "");
  const what = `create map ${String(init.name ?? "")}`.trimEnd();
  checkOptions(what, init, Object.keys(empty));
  const { inner, ...members } = init;
  if (inner !== undefined) requireObject(`${what}: inner`, inner);
  const template = inner && completeSpec({ name: `${members.name ?? ""}.inner`, ...inner });
  return { ...empty, ...members, inner: template };
}

/**
 * The map that tells the kernel what the maps in a map of maps are like; it is needed during the
 * creation only.
 */
function createTemplate(spec: MapSpec, options: CreateOptions): BpfMap | undefined {
  return holdsMaps(spec.type) ? createMap(templateOf(spec), options) : undefined;
}

function requireObject(what: string, value: unknown): void {
  if (typeof value === "object" && value !== null) return;
  throw new TypeError(`${what} is ${String(value)}, not an object`);
}

/** What the system call would take for nothing, or for something else. */
function checkCreateOptions(what: string, options: CreateOptions): void {
  for (const name of ["btf", "valueTypeBtf", "token"] as const) {
    const value: unknown = options[name];
    if (value === undefined || value instanceof FileDescriptor) continue;
    throw new TypeError(`${what}: ${name} is ${typeof value}, not a FileDescriptor`);
  }
  const { int64 = "bigint" } = options;
  if (int64 === "bigint" || int64 === "number") return;
  throw new TypeError(`${what}: int64 is ${JSON.stringify(int64)}, not "bigint" or "number"`);
}

/**
 * Tries the definition, then without what old kernels do not know. The flags are those that were
 * accepted.
 */
function tryToCreate(
  spec: MapSpec,
  definition: MapDefinition,
  options: CreateOptions,
  inner: BpfMap | undefined,
): { fd: FileDescriptor; flags: number } {
  let first: SyscallError | undefined;
  for (const { name, typed, flags } of variants(spec, definition, options)) {
    const { keyType, valueType } = typed ? definition : { keyType: 0, valueType: 0 };
    const btf = typed || options.vmlinuxValueType !== undefined ? options.btf : undefined;
    const { vmlinuxValueType, valueTypeBtf, token } = options;
    const attributes = { btf, keyType, valueType, vmlinuxValueType, valueTypeBtf, token };
    try {
      const fd = mapCreate(
        { ...definition, ...attributes, name, flags, innerMap: inner?.fd },
        `map ${spec.name}`,
      );
      return { fd, flags };
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      first ??= error;
      if (FINAL.has(error.code)) break;
    }
  }
  throw explainCreation(first!, definition, {
    ...release(),
    cpus: possibleCpus(),
    pageSize: pageSize(),
    capabilities: effectiveCapabilities(),
  });
}

/** One attempt. */
export interface Variant {
  name: string;
  /** Whether the kernel is told the types of key and value. */
  typed: boolean;
  flags: number;
}

/**
 * The definition and its weaker forms, in the order of what they cost: data sections without
 * MMAPABLE (before Linux 5.5) and RDONLY_PROG (before 5.2), types left out (before 4.18, or where
 * the kernel's rules for the map type refuse them), names without dots (before 5.2), no name
 * (before 4.15).
 */
export function* variants(
  spec: Pick<MapSpec, "data">,
  definition: Pick<MapDefinition, "kernelName" | "flags" | "keyType" | "valueType">,
  options: CreateOptions,
): Generator<Variant> {
  const { kernelName, flags, keyType, valueType } = definition;
  const names = new Set([kernelName, kernelName.replaceAll(".", ""), ""]);
  const hasTypes = options.btf !== undefined && (keyType !== 0 || valueType !== 0);
  const flagged = new Set([flags]);
  if (spec.data !== undefined) {
    flagged.add(flags & ~MapFlags.MMAPABLE);
    flagged.add(flags & ~(MapFlags.MMAPABLE | MapFlags.RDONLY_PROG));
  }
  for (const name of names) {
    for (const typed of hasTypes ? [true, false] : [false]) {
      for (const each of flagged) yield { name, typed, flags: each };
    }
  }
}
