/**
 * The kernel's own BTF objects, by name: attaching to a function of a module needs a descriptor of
 * the module's types.
 *
 * The types themselves are in `kernel-btf.ts`.
 *
 * @module
 */

import { cstring, hostLittleEndian, viewOf } from "../bytes.ts";
import { BpfError } from "../error.ts";
import { btfGetFdById, btfGetNextId, objectInfo } from "./bpf-object.ts";
import type { FileDescriptor } from "./fd.ts";

/** Members of `struct bpf_btf_info`, include/uapi/linux/bpf.h. */
export const BTF_INFO = {
  btf: 0,
  btf_size: 8,
  id: 12,
  name: 16,
  name_len: 24,
  kernel_btf: 28,
} as const;
const BTF_INFO_SIZE = 32;

/**
 * Opens the kernel's own BTF object of a module, or of `vmlinux`, which attaching to a module's
 * function needs; `undefined` when there is none of that name. Linux 5.11. Throws SyscallError.
 */
export function openKernelBtf(name: string): FileDescriptor | undefined {
  const text = new Uint8Array(new ArrayBuffer(64));
  for (let id = btfGetNextId(0); id !== undefined; id = btfGetNextId(id)) {
    const fd = openUnlessGone(id, name);
    if (fd === undefined) continue;
    const info = new Uint8Array(BTF_INFO_SIZE);
    const view = viewOf(info);
    view.setUint32(BTF_INFO.name_len, text.length, hostLittleEndian);
    try {
      objectInfo(fd, info, { [BTF_INFO.name]: text });
    } catch (error) {
      fd.close();
      // A longer name than any module's is not the one.
      if (error instanceof BpfError && error.code === "ENOSPC") continue;
      // Before 5.11 there are no names, and no objects of the kernel's own.
      if (error instanceof BpfError && error.code === "E2BIG") return undefined;
      throw error;
    }
    const kernel = view.getUint32(BTF_INFO.kernel_btf, hostLittleEndian) === 1;
    if (kernel && cstring(text) === name) return fd;
    fd.close();
  }
  return undefined;
}

function openUnlessGone(id: number, name: string): FileDescriptor | undefined {
  try {
    return btfGetFdById(id, `BTF of ${name}`);
  } catch (error) {
    if (error instanceof BpfError && error.code === "ENOENT") return undefined;
    throw error;
  }
}
