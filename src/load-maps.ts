/**
 * The maps of an object that is loaded: created, found by a pin, or given by the caller; and what
 * stands in them from the start.
 *
 * What exists already is used as it is: nothing is stored in it.
 *
 * @module
 */

import { requireCompatible } from "../maps/compatible.ts";
import {
  Arena,
  ArrayMap,
  type BpfMap,
  createMap,
  MapOfMaps,
  mapInfo,
  ProgramArray,
  StructOpsMap,
} from "../maps/index.ts";
import { openOrPin } from "../maps/pinned.ts";
import { alu, assemble, exit } from "./asm/index.ts";
import { abandonAll } from "./close-all.ts";
import { BpfError } from "./error.ts";
import { KCONFIG_MAP } from "./externs/index.ts";
import type { LoadOptions } from "./load-options.ts";
import type { KernelTable, StructOpsTables } from "./load-struct-ops.ts";
import type { Program } from "./program.ts";
import type { MapSpec, ObjectSpec } from "./spec/index.ts";
import { programLoad } from "./sys/bpf.ts";
import { PIN_FOLDER } from "./sys/bpf-file-system.ts";
import type { FileDescriptor } from "./sys/fd.ts";
import { MapFlags, ProgramType } from "./uapi.ts";

/** The maps of one object. */
export class LoadedMaps {
  /** By the names of the object. */
  readonly byName: Record<string, BpfMap> = Object.create(null);
  /** Maps that were opened here, to be closed with the collection. */
  readonly owned: BpfMap[] = [];
  /** Names of those that were made here, whose initial contents are stored. */
  readonly #created = new Set<string>();
  readonly #pinned: BpfMap[] = [];
  readonly #spec: ObjectSpec;
  readonly #options: LoadOptions;

  constructor(spec: ObjectSpec, options: LoadOptions) {
    this.#spec = spec;
    this.#options = options;
  }

  /** Makes, opens or takes every map. `kconfig` are the bytes of the kernel's configuration values. */
  create(
    btf: FileDescriptor | undefined,
    kconfig: Uint8Array | undefined,
    structOps: Pick<StructOpsTables, "table"> | undefined,
  ): void {
    for (const [name, spec] of Object.entries(this.#spec.maps)) {
      const given = replacementOf(name, this.#options);
      if (given !== undefined) {
        // Of a function table the kernel decides how large it is.
        const valueSize = spec.structOps === undefined ? spec.valueSize : given.valueSize;
        requireCompatible(
          { ...spec, valueSize },
          mapInfo(given.fd),
          `use map ${given.name} in place of the object's map ${name}`,
          "make one like the other",
        );
        this.byName[name] = given;
      } else if (spec.autocreate) {
        const data = name === KCONFIG_MAP ? (kconfig ?? spec.data) : spec.data;
        this.#make(name, spec, data, { btf, table: structOps?.table(name) });
      }
      const map = this.byName[name];
      // Programs cannot be loaded before the arena has its place in memory.
      if (map instanceof Arena) map.memory();
    }
  }

  #make(
    name: string,
    spec: MapSpec,
    data: Uint8Array | undefined,
    { btf, table }: { btf: FileDescriptor | undefined; table: KernelTable | undefined },
  ): void {
    const { int64, pinPath = PIN_FOLDER } = this.#options;
    const token = this.#options.token || undefined;
    const create = (): BpfMap => {
      const map =
        table === undefined
          ? createMap(spec, { btf, int64, token: token?.fd })
          : createTable(spec, table, btf, token?.fd);
      try {
        if (data !== undefined && map instanceof ArrayMap) fill(map, data);
        if (data !== undefined && map instanceof Arena) map.store(data);
        return map;
      } catch (error) {
        map.close();
        throw error;
      }
    };
    const { map, created } =
      spec.pinning === 0
        ? { map: create(), created: true }
        : openOrPin(spec, pinPath, { int64 }, create);
    this.byName[name] = map;
    this.owned.push(map);
    if (!created) return;
    this.#created.add(name);
    if (spec.pinning !== 0) this.#pinned.push(map);
  }

  /** Where an object's data begin in its map: anywhere but at the start only in an arena. */
  dataOffset(name: string): number {
    const map = this.byName[name];
    return map instanceof Arena ? map.dataOffset(this.#spec.maps[name]?.data?.length ?? 0) : 0;
  }

  /** Initial slots of maps of maps and program arrays, which need what they hold to be loaded. */
  fillSlots(programs: Readonly<Record<string, Program>>): void {
    for (const name of this.#created) {
      const map = this.byName[name];
      for (const { index, name: value } of this.#spec.maps[name]?.slots ?? []) {
        const inner = this.byName[value];
        const target = programs[value];
        if (map instanceof MapOfMaps && inner !== undefined) map.set(index, inner);
        else if (map instanceof ProgramArray && target !== undefined) map.set(index, target);
        else {
          throw new BpfError(
            `load map ${name}: slot ${index} is to hold ${value}, which is not loaded`,
            { code: "ERR_MISSING_VALUE" },
          );
        }
      }
    }
  }

  /** What the kernel is to find in function tables once they are registered. */
  fillTables(
    programs: Readonly<Record<string, Program>>,
    structOps: Pick<StructOpsTables, "table"> | undefined,
  ): void {
    for (const [name, map] of Object.entries(this.byName)) {
      const table = structOps?.table(name);
      if (table === undefined || !(map instanceof StructOpsMap)) continue;
      const functions = table.functions.map(({ offset, program }) => {
        const target = programs[program];
        if (target !== undefined) return { offset, fd: target.fd };
        throw new BpfError(
          `load map ${name}: it is to hold program ${program}, which is not loaded`,
          { code: "ERR_MISSING_VALUE" },
        );
      });
      map.prepare(table.bytes, functions);
    }
  }

  /** Takes back the pins that were made here, and closes what was opened, after a failure. */
  abandon(): void {
    abandonAll(this.#pinned.map((map) => ({ close: () => map.unpin() })));
    abandonAll(this.owned);
  }
}

/** A function table in the layout of the kernel, whose types are not the object's. */
function createTable(
  spec: MapSpec,
  { valueType, valueSize, module }: KernelTable,
  btf: FileDescriptor | undefined,
  token: FileDescriptor | undefined,
): BpfMap {
  const flags = spec.flags | (module === undefined ? 0 : MapFlags.VTYPE_BTF_OBJ_FD);
  const create = () =>
    createMap(
      { ...spec, valueSize, flags, valueType: 0, btf: undefined },
      { btf, vmlinuxValueType: valueType, valueTypeBtf: module, token },
    );
  try {
    return create();
  } catch (error) {
    if (!(error instanceof BpfError) || error.code !== "ENOTSUPP") throw error;
    haveTypesRead();
    return create();
  }
}

/**
 * Has the kernel look at its own types, which some (5.10) do when the first program since the start of the machine is verified, and
 * have no function tables before that.
 */
function haveTypesRead(): void {
  const { bytes } = assemble([alu("r0", "=", 0), exit()]);
  const type = ProgramType.SOCKET_FILTER;
  programLoad({ type, license: "GPL", instructions: bytes }).fd?.close();
}

/** The map that the caller gives in place of the object's. */
export function replacementOf(name: string, { maps }: LoadOptions): BpfMap | undefined {
  return maps !== undefined && Object.hasOwn(maps, name) ? maps[name] : undefined;
}

/** Stores the bytes of a data section; constants are frozen, so that the verifier can rely on them. */
function fill(map: ArrayMap, data: Uint8Array): void {
  map.raw.set(0, data);
  // Before Linux 5.2 there is neither the flag nor freezing.
  if ((map.flags & MapFlags.RDONLY_PROG) !== 0) map.freeze();
}
