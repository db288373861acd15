/**
 * What the kernel says of a map: `struct bpf_map_info` of include/uapi/linux/bpf.h.
 *
 * Members that an old kernel does not know read as zero.
 *
 * @module
 */

import { cstring, hostLittleEndian, viewOf } from "../src/bytes.ts";
import { objectInfo } from "../src/sys/bpf.ts";
import type { FileDescriptor } from "../src/sys/fd.ts";

/** Byte offsets in `struct bpf_map_info`. */
const INFO = {
  /** `__u32 type` */
  type: 0,
  /** `__u32 id` */
  id: 4,
  /** `__u32 key_size` */
  keySize: 8,
  /** `__u32 value_size` */
  valueSize: 12,
  /** `__u32 max_entries` */
  maxEntries: 16,
  /** `__u32 map_flags` */
  flags: 20,
  /** `char name[BPF_OBJ_NAME_LEN]` */
  name: 24,
  /** `__u32 ifindex` */
  interfaceIndex: 40,
  /** `__u32 btf_id` */
  btfId: 64,
  /** `__u32 btf_key_type_id` */
  keyType: 68,
  /** `__u32 btf_value_type_id` */
  valueType: 72,
  /** `__u64 map_extra`, Linux 5.16 */
  mapExtra: 80,
} as const;
const NAME_END: number = INFO.name + 16;
const SIZE = 88;

/** A map as the kernel knows it. */
export interface MapInfo {
  /** `MapType`. */
  readonly type: number;
  /** Number of the map while it exists. Linux 4.13. */
  readonly id: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  /** `MapFlags`; the kernel sets some by itself. */
  readonly flags: number;
  /** At most 15 bytes of the name. Linux 4.15. */
  readonly name: string;
  /** Network interface that an offloaded map is bound to, 0 without one. */
  readonly interfaceIndex: number;
  /** Number of the BTF object that has the types, 0 without one. Linux 4.18. */
  readonly btfId: number;
  /** BTF ids of key and value, 0 without types. */
  readonly keyType: number;
  readonly valueType: number;
  /** Linux 5.16. */
  readonly mapExtra: bigint;
}

/** Asks the kernel about a map. Linux 4.13. Throws SyscallError. */
export function mapInfo(map: FileDescriptor): MapInfo {
  const bytes = new Uint8Array(SIZE);
  objectInfo(map, bytes);
  const view = viewOf(bytes);
  const word = (offset: number) => view.getUint32(offset, hostLittleEndian);
  return {
    type: word(INFO.type),
    id: word(INFO.id),
    keySize: word(INFO.keySize),
    valueSize: word(INFO.valueSize),
    maxEntries: word(INFO.maxEntries),
    flags: word(INFO.flags),
    name: cstring(bytes, INFO.name, NAME_END),
    interfaceIndex: word(INFO.interfaceIndex),
    btfId: word(INFO.btfId),
    keyType: word(INFO.keyType),
    valueType: word(INFO.valueType),
    mapExtra: view.getBigUint64(INFO.mapExtra, hostLittleEndian),
  };
}
