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
import { descriptorInfo } from "../src/sys/fd-info.ts";

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
  /** `__u32 btf_vmlinux_value_type_id`, Linux 5.6 */
  vmlinuxValueType: 44,
  /** `__u64 netns_dev` */
  namespaceDevice: 48,
  /** `__u64 netns_ino` */
  namespaceInode: 56,
  /** `__u32 btf_id` */
  btfId: 64,
  /** `__u32 btf_key_type_id` */
  keyType: 68,
  /** `__u32 btf_value_type_id` */
  valueType: 72,
  /** `__u32 btf_vmlinux_id`, Linux 6.9 */
  vmlinuxBtfId: 76,
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
  /** Device and inode of the network namespace of that interface, 0 without one. Linux 4.16. */
  readonly namespaceDevice: bigint;
  readonly namespaceInode: bigint;
  /** Number of the BTF object that has the types, 0 without one. Linux 4.18. */
  readonly btfId: number;
  /** BTF ids of key and value, 0 without types. */
  readonly keyType: number;
  readonly valueType: number;
  /** BTF id of the value of a struct_ops map, 0 for others. Linux 5.6. */
  readonly vmlinuxValueType: number;
  /** Number of the BTF object of the kernel or a module that has it. Linux 6.9. */
  readonly vmlinuxBtfId: number;
  /** Linux 5.16. */
  readonly mapExtra: bigint;
  /** Whether user space cannot change it any more; undefined where `/proc` does not say. Linux 5.2. */
  readonly frozen: boolean | undefined;
  /** Bytes of memory that it takes, by the kernel's estimate; undefined where `/proc` does not say. */
  readonly memory: number | undefined;
}

/** Asks the kernel about a map, and `/proc` for what bpf(2) does not tell. Linux 4.13. Throws SyscallError. */
export function mapInfo(map: FileDescriptor): MapInfo {
  const bytes = new Uint8Array(SIZE);
  objectInfo(map, bytes);
  const view = viewOf(bytes);
  const word = (offset: number) => view.getUint32(offset, hostLittleEndian);
  const long = (offset: number) => view.getBigUint64(offset, hostLittleEndian);
  const shown = descriptorInfo(map);
  const [frozen, memory] = [shown.get("frozen"), shown.get("memlock")];
  return {
    type: word(INFO.type),
    id: word(INFO.id),
    keySize: word(INFO.keySize),
    valueSize: word(INFO.valueSize),
    maxEntries: word(INFO.maxEntries),
    flags: word(INFO.flags),
    name: cstring(bytes, INFO.name, NAME_END),
    interfaceIndex: word(INFO.interfaceIndex),
    namespaceDevice: long(INFO.namespaceDevice),
    namespaceInode: long(INFO.namespaceInode),
    btfId: word(INFO.btfId),
    keyType: word(INFO.keyType),
    valueType: word(INFO.valueType),
    vmlinuxValueType: word(INFO.vmlinuxValueType),
    vmlinuxBtfId: word(INFO.vmlinuxBtfId),
    mapExtra: long(INFO.mapExtra),
    frozen: frozen === undefined ? undefined : frozen === "1",
    memory: memory === undefined ? undefined : Number(memory),
  };
}
