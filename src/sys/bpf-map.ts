/**
 * bpf(2) commands that make and freeze maps. Reading and writing elements is in `map-access.ts`.
 *
 * @module
 */

import { MAP_CREATE, MAP_ELEM } from "./attr.ts";
import { bpfCall, bpfCheck, bpfError } from "./bpf-call.ts";
import { FileDescriptor } from "./fd.ts";
import { withMemlock } from "./memlock.ts";
import { Struct } from "./struct.ts";

/** `BPF_F_TOKEN_FD`, the same bit for maps, programs and BTF. */
export const TOKEN_FD = 0x10000;

/** What `BPF_MAP_CREATE` takes. */
export interface MapCreateAttributes {
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags?: number | undefined;
  readonly innerMap?: FileDescriptor | undefined;
  readonly numaNode?: number | undefined;
  /** Cut to 15 bytes; letters, digits, `_` and `.` only, or the kernel refuses. Linux 4.15. */
  readonly name?: string | undefined;
  readonly ifindex?: number | undefined;
  readonly btf?: FileDescriptor | undefined;
  readonly keyType?: number | undefined;
  readonly valueType?: number | undefined;
  /** The type of a struct_ops value, in vmlinux or in `valueTypeBtf`. */
  readonly vmlinuxValueType?: number | undefined;
  /**
   * A module's BTF for `vmlinuxValueType`; `BPF_F_VTYPE_BTF_OBJ_FD` must be among the flags. Linux
   * 6.9.
   */
  readonly valueTypeBtf?: FileDescriptor | undefined;
  readonly mapExtra?: bigint | undefined;
  /** A BPF token; sets `BPF_F_TOKEN_FD`. Linux 6.9. */
  readonly token?: FileDescriptor | undefined;
}

/** Makes a map. Throws SyscallError. */
export function mapCreate(attributes: MapCreateAttributes, what: string): FileDescriptor {
  const token = attributes.token;
  const attr = new Struct(MAP_CREATE)
    .set("map_type", attributes.type)
    .set("key_size", attributes.keySize)
    .set("value_size", attributes.valueSize)
    .set("max_entries", attributes.maxEntries)
    .set("map_flags", ((attributes.flags ?? 0) | (token === undefined ? 0 : TOKEN_FD)) >>> 0)
    .set("inner_map_fd", attributes.innerMap?.number)
    .set("numa_node", attributes.numaNode)
    .text("map_name", attributes.name)
    .set("map_ifindex", attributes.ifindex)
    .set("btf_fd", attributes.btf?.number)
    .set("btf_key_type_id", attributes.keyType)
    .set("btf_value_type_id", attributes.valueType)
    .set("btf_vmlinux_value_type_id", attributes.vmlinuxValueType)
    .set("map_extra", attributes.mapExtra)
    .set("value_type_btf_obj_fd", attributes.valueTypeBtf?.number)
    .set("map_token_fd", token?.number);
  const result = withMemlock(() => bpfCall("MAP_CREATE", attr));
  if (result < 0) throw bpfError("MAP_CREATE", -result, `create ${what}`);
  return new FileDescriptor(result, what);
}

/**
 * Makes a map read-only for system calls from now on; programs still write. Linux 5.2. Throws
 * SyscallError.
 */
export function mapFreeze(map: FileDescriptor): void {
  const attr = new Struct(MAP_ELEM).set("map_fd", map.number);
  bpfCheck("MAP_FREEZE", attr, `freeze ${map.what}`);
}
