/**
 * The types that the kernel holds under an id: of its own, of a module, of a loaded object.
 *
 * @module
 */

import { Btf } from "../../btf/btf.ts";
import { cstring, hostLittleEndian, viewOf } from "../bytes.ts";
import { BpfError } from "../error.ts";
import { btfGetFdById, objectInfo } from "./bpf-object.ts";
import { BTF_INFO } from "./btf-object.ts";
import type { FileDescriptor } from "./fd.ts";
import { kernelBtf } from "./kernel-btf.ts";

const INFO_SIZE = 32;
/** Before Linux 5.11, which has no BTF but that of objects. */
const OLD_INFO_SIZE = 16;
const NAME_SIZE = 64;

/**
 * Opens the BTF with that id, on top of {@link kernelBtf} when it is a module's. Linux 4.18.
 *
 * Throws SyscallError, with code `ENOENT` where there is none; BtfError when it is malformed.
 */
export function btfById(id: number): Btf {
  const fd = btfGetFdById(id, "BTF");
  try {
    const { size } = ask(fd, new Uint8Array(0));
    const bytes = new Uint8Array(new ArrayBuffer(size));
    const { kernel, name } = ask(fd, bytes);
    return Btf.parse(bytes, kernel && name !== "vmlinux" ? { base: kernelBtf() } : {});
  } finally {
    fd.close();
  }
}

/** What `struct bpf_btf_info` says; as much of the types as there is room for is written to `bytes`. */
function ask(
  fd: FileDescriptor,
  bytes: Uint8Array,
): { size: number; name: string; kernel: boolean } {
  const info = new Uint8Array(INFO_SIZE);
  const view = viewOf(info);
  const name = new Uint8Array(new ArrayBuffer(NAME_SIZE));
  view.setUint32(BTF_INFO.btf_size, bytes.length, hostLittleEndian);
  try {
    view.setUint32(BTF_INFO.name_len, name.length, hostLittleEndian);
    objectInfo(fd, info, { [BTF_INFO.btf]: bytes, [BTF_INFO.name]: name });
  } catch (error) {
    if (!(error instanceof BpfError) || error.code !== "E2BIG") throw error;
    objectInfo(fd, info.subarray(0, OLD_INFO_SIZE), { [BTF_INFO.btf]: bytes });
    view.setUint32(BTF_INFO.name_len, 0, hostLittleEndian);
  }
  return {
    size: view.getUint32(BTF_INFO.btf_size, hostLittleEndian),
    name: cstring(name),
    kernel: view.getUint32(BTF_INFO.kernel_btf, hostLittleEndian) === 1,
  };
}
