/**
 * `ebpf map list` and `show`: what the kernel says of its maps, in JSON under bpftool's names.
 *
 * @module
 */

import { type Btf, typeName } from "../../btf/index.ts";
import { mapInfo } from "../../maps/index.ts";
import type { FileDescriptor } from "../sys/bpf.ts";
import { MapType, nameOf } from "../uapi.ts";
import { type Command, readArguments } from "./command.ts";
import { type Holder, type Holders, holdersOf, holderText, pidsOf } from "./holders.ts";
import { readObjects, readSelector } from "./kernel-objects.ts";
import { MAPS } from "./object-kinds.ts";
import { printJson, printText, table } from "./output.ts";
import { paragraph } from "./show.ts";
import { typesById } from "./types-by-id.ts";

/** A map as JSON has it; what there is not is left out. */
export interface MapDescription {
  id: number;
  type: string;
  name: string;
  /** `MapFlags`. */
  flags: number;
  bytes_key: number;
  bytes_value: number;
  max_entries: number;
  bytes_memlock?: number;
  /** 1 for one that user space cannot change any more. */
  frozen?: 0 | 1;
  map_extra?: bigint;
  ifindex?: number;
  btf_id?: number;
  /** Types of keys and values as C has them; ours, not bpftool's. */
  key?: string;
  value?: string;
  pids?: readonly Holder[];
}

/** All maps, or those that are meant, as a table. */
export const list: Command = async (args) => run(args, (maps) => tableOf(maps));

/** All maps, or those that are meant, with all that is known of each. */
export const show: Command = async (args) => {
  return run(args, (maps) => {
    return maps
      .map(({ id, name, pids, ...rest }) => {
        const members = { ...rest, held_by: holderText(pids) };
        return paragraph(`map ${id}${name === "" ? "" : ` ${name}`}`, members);
      })
      .join("\n");
  });
};

function run(args: readonly string[], text: (maps: MapDescription[]) => string): number {
  const { values, positionals } = readArguments(args, { json: { type: "boolean" } });
  const selector = readSelector(positionals, "map");
  const holders = holdersOf("map");
  const types = typesById();
  const maps = readObjects(MAPS, selector, (fd) => describeMap(fd, types, holders));
  if (values.json !== true) printText(text(maps));
  else printJson(selector.by === "id" || selector.by === "pinned" ? maps[0] : maps);
  return 0;
}

/** What there is to say of a map. */
export function describeMap(
  fd: FileDescriptor,
  types: (id: number) => Btf | undefined,
  holders: Holders,
): MapDescription {
  const info = mapInfo(fd);
  const btf = info.keyType + info.valueType === 0 ? undefined : types(info.btfId);
  return {
    id: info.id,
    type: nameOf(MapType, info.type),
    name: info.name,
    flags: info.flags,
    bytes_key: info.keySize,
    bytes_value: info.valueSize,
    max_entries: info.maxEntries,
    ...(info.memory === undefined ? {} : { bytes_memlock: info.memory }),
    ...(info.frozen === undefined ? {} : { frozen: info.frozen ? 1 : 0 }),
    ...(info.mapExtra === 0n ? {} : { map_extra: info.mapExtra }),
    ...(info.interfaceIndex === 0 ? {} : { ifindex: info.interfaceIndex }),
    ...(info.btfId === 0 ? {} : { btf_id: info.btfId }),
    ...(btf === undefined || info.keyType === 0 ? {} : { key: typeName(btf, info.keyType) }),
    ...(btf === undefined || info.valueType === 0 ? {} : { value: typeName(btf, info.valueType) }),
    ...pidsOf(holders, info.id),
  };
}

function tableOf(maps: readonly MapDescription[]): string {
  const rows = maps.map((map) => [
    String(map.id),
    map.type,
    map.name,
    map.key ?? String(map.bytes_key),
    map.value ?? String(map.bytes_value),
    String(map.max_entries),
    holderText(map.pids),
  ]);
  return table(["ID", "TYPE", "NAME", "KEY", "VALUE", "ENTRIES", "HELD BY"], rows);
}
