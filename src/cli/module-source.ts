/**
 * Types of kernel modules for `check`: split BTF, which continues that of one build of a kernel and means nothing with another.
 *
 * The base is not named in it; split.ts tells whether a kernel is it. A module that brings a distilled base (.BTF.base) belongs to all kernels that have the types in it.
 *
 * @module
 */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Btf } from "../../btf/index.ts";
import { BtfError } from "../error.ts";
import { type CheckModule, openBtf } from "../report/index.ts";
import { fileStem, isFolder, readBtf } from "./btf-source.ts";
import { CommandError } from "./command.ts";
import { requireSplit } from "./split.ts";

/** A module's types in a file, of a kernel that is named or to be found out. */
export interface ModuleSource {
  readonly name: string;
  readonly path: string;
  readonly kernel: string | undefined;
}

const EXTENSIONS = /\.(btf|gz|br|xz|zst|elf|raw|ko)$/;

/**
 * What the arguments of `--module` name: `NAME=PATH`, `NAME=KERNEL:PATH`, or a PATH alone, a file or a folder of such, whose
 * files have the names of modules.
 *
 * @throws CommandError for a module without a name or path.
 */
export function moduleSources(
  texts: readonly string[],
  kernels: readonly string[],
): ModuleSource[] {
  return texts.flatMap((text): ModuleSource[] => {
    const [, name, rest = ""] = /^([^=/]*)=(.*)$/s.exec(text) ?? [undefined, undefined, text];
    if (name === "" || rest === "") {
      throw new CommandError(
        `--module ${text}: NAME=PATH names a module and the file of its types`,
      );
    }
    const kernel = kernels
      .filter((one) => rest.startsWith(`${one}:`))
      .sort((a, b) => b.length - a.length)[0];
    const path = kernel === undefined ? rest : rest.slice(kernel.length + 1);
    if (!isFolder(path)) return [{ name: name ?? moduleName(path), path, kernel }];
    if (name !== undefined)
      throw new CommandError(`--module ${text}: ${path} is a folder, not a file`);
    const files = readdirSync(path).filter((file) => file !== "vmlinux");
    return files.sort().map((file) => ({ name: moduleName(file), path: join(path, file), kernel }));
  });
}

/** Modules are called with underscores, their files with either. */
function moduleName(path: string): string {
  return fileStem(path, EXTENSIONS).replaceAll("-", "_");
}

/** Gives each kernel the modules that belong to it, and knows afterwards which belonged to none. */
export class Modules {
  readonly #sources: readonly ModuleSource[];
  readonly #used: Set<ModuleSource> = new Set();
  /** Why a module belongs to no kernel yet. */
  readonly #refused: Map<ModuleSource, BtfError> = new Map();

  constructor(sources: readonly ModuleSource[]) {
    this.#sources = sources;
  }

  /**
   * The modules of a kernel, opened.
   *
   * @throws BtfError for a module that was said to be of this kernel and cannot be.
   */
  of(kernel: string, vmlinux: Btf): CheckModule[] {
    return this.#sources.flatMap((source): CheckModule[] => {
      const { name, path } = source;
      if (source.kernel !== undefined && source.kernel !== kernel) return [];
      const what = `${kernel}, module ${name} (${path})`;
      const opened = openSplit(readBtf(path), what, vmlinux);
      if (opened instanceof BtfError) {
        if (source.kernel !== undefined) throw opened;
        this.#refused.set(source, opened);
        return [];
      }
      this.#used.add(source);
      return [{ name, btf: opened }];
    });
  }

  /** @throws BtfError naming a module that belongs to none of the kernels. */
  requireUsed(): void {
    for (const source of this.#sources) {
      if (this.#used.has(source)) continue;
      const cause = this.#refused.get(source);
      const why = cause === undefined ? "" : `: ${cause.message}`;
      throw new BtfError(
        `module ${source.name} (${source.path}) belongs to none of these kernels: split BTF fits only the vmlinux it was built with, or where it has a distilled base those that have all its types${why}`,
        { cause },
      );
    }
  }
}

/** The module's BTF on this base, or why it does not fit. */
function openSplit(bytes: Uint8Array, what: string, vmlinux: Btf): Btf | BtfError {
  try {
    const btf = openBtf(bytes, what, vmlinux);
    requireSplit(btf, what);
    return btf;
  } catch (error) {
    if (error instanceof BtfError) return error;
    throw error;
  }
}
