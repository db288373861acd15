/**
 * Functions and variables of the kernel by name, in the types of vmlinux and then of its modules;
 * and the modules' descriptors, with which instructions refer to them.
 *
 * Each name is sought once. Modules are opened for names that vmlinux does not have, and only until
 * one has it.
 *
 * @module
 */

import type { Btf } from "../../btf/index.ts";
import { BpfError } from "../error.ts";
import { openKernelBtf } from "../sys/btf-object.ts";
import type { FileDescriptor } from "../sys/fd.ts";
import { readKallsyms, type SymbolAddresses } from "../sys/kallsyms.ts";
import { kernelBtf, moduleBtf, moduleNames } from "../sys/kernel-btf.ts";

/** A kernel to look symbols up in; tests stand in for kernels that this machine does not run. */
export interface SymbolSources {
  /** The types of vmlinux; throws UnsupportedError where the kernel has none. */
  vmlinux(): Btf;
  /** Names of loaded modules that have types. */
  moduleNames(): readonly string[];
  /** The types of a module; throws BpfError with code `ENOENT` when it is gone. */
  moduleBtf(name: string): Btf;
  /** Opens the kernel's own object for the types of a module, undefined when it is gone. */
  openModule(name: string): FileDescriptor | undefined;
  /** Addresses by name. */
  addresses(names: readonly string[]): SymbolAddresses;
}

/** The running kernel. */
export const runningKernel: SymbolSources = {
  vmlinux: kernelBtf,
  moduleNames,
  moduleBtf,
  openModule: openKernelBtf,
  addresses: readKallsyms,
};

/** A type of the kernel, and who has it. */
export interface KernelType {
  readonly btf: Btf;
  readonly id: number;
  /** Undefined for vmlinux. */
  readonly module: string | undefined;
}

/** How instructions refer to the types of a module. */
export interface OpenModule {
  readonly fd: FileDescriptor;
  /** Index in the array of descriptors that a program is loaded with; calls carry it in 16 bits. */
  readonly index: number;
}

/** Calls have room for no higher index. */
const MAX_INDEX = 0x7fff;

/** Types of one kernel, for one load. */
export class KernelTypes implements Disposable {
  readonly #sources: SymbolSources;
  readonly #found: Map<string, KernelType | undefined> = new Map();
  readonly #open: Map<string, OpenModule> = new Map();
  /** Why a module's types could not be read; a name that is nowhere may be there. */
  #unreadable: unknown;

  constructor(sources: SymbolSources) {
    this.#sources = sources;
  }

  /**
   * The first type of that name and kind, such as `Kind.FUNC` or `Kind.VAR`; only that of `module`
   * where one is said. Throws UnsupportedError without types of vmlinux.
   */
  find(name: string, kind: number, module?: string): KernelType | undefined {
    const key = `${kind} ${name} ${module ?? ""}`;
    if (!this.#found.has(key)) this.#found.set(key, this.#find(name, kind, module));
    return this.#found.get(key);
  }

  /** Why modules could not be searched, as far as that is so. */
  get unreadable(): unknown {
    return this.#unreadable;
  }

  /**
   * Opens a module, once. Throws SyscallError such as EPERM, BpfError with code `ENOENT` when it is
   * gone.
   */
  open(module: string): OpenModule {
    let opened = this.#open.get(module);
    if (opened === undefined) {
      // Index 0 means vmlinux.
      const index = this.#open.size + 1;
      if (index > MAX_INDEX) {
        throw new BpfError(`open module ${module}: the object uses functions of too many modules`, {
          code: "E2BIG",
        });
      }
      const fd = this.#sources.openModule(module);
      if (fd === undefined) {
        throw new BpfError(`open module ${module}: it was unloaded meanwhile`, { code: "ENOENT" });
      }
      opened = { fd, index };
      this.#open.set(module, opened);
    }
    return opened;
  }

  /** The descriptors of opened modules, in the order of their indices. */
  get descriptors(): FileDescriptor[] {
    return [...this.#open.values()].map(({ fd }) => fd);
  }

  /** Closes what was opened; loaded programs hold the modules that they use. */
  close(): void {
    for (const { fd } of this.#open.values()) fd.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #find(name: string, kind: number, only: string | undefined): KernelType | undefined {
    if (only === undefined || only === "vmlinux") {
      const vmlinux = this.#sources.vmlinux();
      const id = vmlinux.find(name, kind);
      if (id !== undefined) return { btf: vmlinux, id, module: undefined };
    }
    for (const module of this.#sources.moduleNames()) {
      if (only !== undefined && module !== only) continue;
      let btf: Btf;
      try {
        btf = this.#sources.moduleBtf(module);
      } catch (error) {
        // One damaged module shall not spoil what the others have.
        if (!(error instanceof BpfError)) throw error;
        if (error.code !== "ENOENT") this.#unreadable ??= error;
        continue;
      }
      const own = btf.findAll(name, kind).find((candidate) => candidate >= btf.firstId);
      if (own !== undefined) return { btf, id: own, module };
    }
    return undefined;
  }
}
