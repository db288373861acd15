/**
 * The running kernel's type information: of vmlinux once a process, of modules on demand.
 *
 * @module
 */

import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
} from "node:fs";
import { release as osRelease } from "node:os";
import { Btf } from "../../btf/btf.ts";
import { ElfFile } from "../../elf/index.ts";
import { BpfError, UnsupportedError } from "../error.ts";
import { openFile } from "./file.ts";
import { mapUntilUnused } from "./mapping.ts";

const FOLDER = "/sys/kernel/btf";

let vmlinux: Btf | undefined;
const modules = new Map<string, Btf>();

/**
 * The types of the running kernel, read at the first call and shared by all later ones. Throws
 * UnsupportedError with feature `kernel BTF` where the kernel has none, and BtfError when it is
 * malformed.
 */
export function kernelBtf(): Btf {
  if (vmlinux === undefined) {
    const bytes = readBtf("vmlinux") ?? readVmlinuxFile();
    if (bytes === undefined) {
      throw new UnsupportedError(
        `read the types of the running kernel: there is no ${FOLDER}/vmlinux, so it was built without ` +
          "CONFIG_DEBUG_INFO_BTF, or sysfs is not mounted; BTF of the same kernel from elsewhere can be given instead",
        { feature: "kernel BTF", since: "5.4" },
      );
    }
    vmlinux = Btf.parse(bytes);
  }
  return vmlinux;
}

/**
 * Forgets the types of the kernel and its modules; memory is freed when nobody uses them any more.
 */
export function dropKernelBtf(): void {
  vmlinux = undefined;
  modules.clear();
}

/** The names of the loaded modules that have types, in alphabetical order. */
export function moduleNames(): string[] {
  try {
    return readdirSync(FOLDER)
      .filter((name) => name !== "vmlinux")
      .sort();
  } catch {
    return [];
  }
}

/**
 * The types of a loaded module, on top of {@link kernelBtf}. Throws BpfError with code `ENOENT`
 * when the module is not loaded or has no types, UnsupportedError and BtfError as for the kernel.
 */
export function moduleBtf(name: string): Btf {
  const base = kernelBtf();
  let btf = modules.get(name);
  if (btf === undefined) {
    const bytes = /^[\w-]+$/.test(name) && name !== "vmlinux" ? readBtf(name) : undefined;
    if (bytes === undefined) {
      throw new BpfError(
        `read the types of module ${name}: there is no ${FOLDER}/${name}; is the module loaded, and was it built with ` +
          "CONFIG_DEBUG_INFO_BTF_MODULES (Linux 5.11)",
        { code: "ENOENT" },
      );
    }
    btf = Btf.parse(bytes, { base });
    modules.set(name, btf);
  }
  return btf;
}

/**
 * The types of every loaded module that has some, in the order of {@link moduleNames}; throws as
 * {@link moduleBtf}.
 */
export function moduleBtfs(): { readonly name: string; readonly btf: Btf }[] {
  return moduleNames().flatMap((name) => {
    try {
      return [{ name, btf: moduleBtf(name) }];
    } catch (error) {
      // Unloaded since it was listed.
      if (error instanceof BpfError && error.code === "ENOENT") return [];
      throw error;
    }
  });
}

/** The bytes of a file of the folder, `undefined` when there is none. */
function readBtf(name: string): Uint8Array | undefined {
  const path = `${FOLDER}/${name}`;
  return existsSync(path) ? (mapFile(path) ?? readWhole(path)) : undefined;
}

/**
 * A file in memory without a copy; `undefined` where that does not go, as for BTF before Linux
 * 6.16.
 */
export function mapFile(path: string): Uint8Array | undefined {
  try {
    const fd = openFile(path);
    try {
      return new Uint8Array(mapUntilUnused(fd, statSync(path).size));
    } finally {
      fd.close();
    }
  } catch {
    return undefined;
  }
}

/**
 * Reads a file to the end: sysfs gives a page at a time, and only the end says that there is no
 * more.
 */
export function readWhole(path: string): Uint8Array {
  const fd = openSync(path, "r");
  try {
    let bytes = new Uint8Array(fstatSync(fd).size + 1);
    let length = 0;
    for (;;) {
      const count = readSync(fd, bytes, length, bytes.length - length, null);
      if (count === 0) return bytes.subarray(0, length);
      length += count;
      if (length === bytes.length) {
        const larger = new Uint8Array(length * 2);
        larger.set(bytes);
        bytes = larger;
      }
    }
  } finally {
    closeSync(fd);
  }
}

/** Where distributions put the kernel's ELF file, which has the same types in a section. */
function readVmlinuxFile(): Uint8Array | undefined {
  const release = osRelease();
  const paths = [
    `/boot/vmlinux-${release}`,
    `/lib/modules/${release}/vmlinux-${release}`,
    `/lib/modules/${release}/build/vmlinux`,
    `/usr/lib/modules/${release}/kernel/vmlinux`,
    `/usr/lib/debug/boot/vmlinux-${release}`,
    `/usr/lib/debug/boot/vmlinux-${release}.debug`,
    `/usr/lib/debug/lib/modules/${release}/vmlinux`,
  ];
  for (const path of paths) {
    if (!existsSync(path)) continue;
    const file = ElfFile.parse(mapFile(path) ?? readWhole(path));
    const section = file.section(".BTF");
    // A copy: the file may be hundreds of megabytes, and may change under a mapping.
    if (section !== undefined) return file.data(section).slice();
  }
  return undefined;
}
