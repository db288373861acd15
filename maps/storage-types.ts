/**
 * Types for local storages that declare none: the kernel makes no storage without them.
 *
 * @module
 */

import { BtfBuilder, Kind } from "../btf/index.ts";
import { btfLoad } from "../src/sys/bpf.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";
import { MapType } from "../src/uapi.ts";
import type { MapDefinition } from "./definition.ts";

const STORAGES: ReadonlySet<number> = new Set([
  MapType.SK_STORAGE,
  MapType.INODE_STORAGE,
  MapType.TASK_STORAGE,
  MapType.CGRP_STORAGE,
]);

/** Types in the kernel, and the ids of key and value among them. */
export interface StorageTypes {
  readonly btf: FileDescriptor;
  readonly keyType: number;
  readonly valueType: number;
}

/**
 * An `int` and bytes, loaded into the kernel, for a storage whose types it is not told otherwise;
 * undefined for all other maps. The caller closes `btf` when the map is made. Throws SyscallError.
 */
export function storageTypes(
  { type, valueSize, keyType, valueType }: MapDefinition,
  btf: FileDescriptor | undefined,
): StorageTypes | undefined {
  if (!STORAGES.has(type) || valueSize === 0) return undefined;
  if (btf !== undefined && keyType !== 0 && valueType !== 0) return undefined;
  const builder = new BtfBuilder();
  const int = (name: string, size: number, signed: boolean): number =>
    builder.add({
      kind: Kind.INT,
      name,
      size,
      signed,
      char: false,
      bool: false,
      bitOffset: 0,
      bits: size * 8,
    });
  const key = int("int", 4, true);
  const byte = int("unsigned char", 1, false);
  const value = builder.add({ kind: Kind.ARRAY, element: byte, index: key, length: valueSize });
  const what = "types of a local storage";
  return { btf: btfLoad(builder.btf().bytes, { what }).fd, keyType: key, valueType: value };
}
