/**
 * Types of kernel modules for `check`: split BTF, which continues that of one build of a kernel and means nothing with another.
 *
 * The base is not named in it. Which kernel it belongs to is told by its strings: with another base its names do not begin
 * where strings begin.
 *
 * @module
 */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { type Btf, Kind } from "../../btf/index.ts";
import { ElfFile } from "../../elf/index.ts";
import { BpfError, BtfError } from "../error.ts";
import { type CheckModule, openBtf } from "../report/index.ts";
import { fileStem, isFolder, readBtf } from "./btf-source.ts";
import { CommandError } from "./command.ts";

/** A module's types in a file, of a kernel that is named or to be found out. */
export interface ModuleSource {
  readonly name: string;
  readonly path: string;
  readonly kernel: string | undefined;
}

const EXTENSIONS = /\.(btf|gz|br|elf|raw|ko)$/;

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
      const bytes = readBtf(path);
      refuseDistilled(bytes, what);
      const opened = openSplit(bytes, what, vmlinux);
      if (opened instanceof BtfError) {
        if (source.kernel !== undefined) throw opened;
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
      throw new BtfError(
        `module ${source.name} (${source.path}) belongs to none of these kernels: split BTF fits only the vmlinux it was built with`,
      );
    }
  }
}

/** Out-of-tree modules may bring a summary of their base, to be matched with any kernel's. */
function refuseDistilled(bytes: Uint8Array, what: string): void {
  if (!ElfFile.isElf(bytes)) return;
  let found: boolean;
  try {
    found = ElfFile.parse(bytes).section(".BTF.base") !== undefined;
  } catch {
    return; // Opening it says better what is wrong.
  }
  if (!found) return;
  throw new BpfError(
    `opening BTF of ${what}: it has a base of its own (.BTF.base), which is not supported`,
    {
      code: "ERR_UNSUPPORTED",
    },
  );
}

/** The module's BTF on this base, or why it does not fit. */
function openSplit(bytes: Uint8Array, what: string, vmlinux: Btf): Btf | BtfError {
  let btf: Btf;
  try {
    btf = openBtf(bytes, what, vmlinux);
  } catch (error) {
    if (error instanceof BtfError) return error;
    throw error;
  }
  // Strings of split BTF go on where the base's end, without an empty one of their own.
  if (btf.strings.bytes[0] === 0) return new BtfError(`opening BTF of ${what}: it is no split BTF`);
  if (isSplitOf(btf)) return btf;
  return new BtfError(
    `opening BTF of ${what}: it is split from the types of another build of a kernel`,
  );
}

const REFERRING: readonly number[] = [
  Kind.PTR,
  Kind.TYPEDEF,
  Kind.VOLATILE,
  Kind.CONST,
  Kind.RESTRICT,
  Kind.FUNC,
  Kind.TYPE_TAG,
];

/** Whether all names of own types begin where a string begins, and all types that they refer to are there. */
function isSplitOf(btf: Btf): boolean {
  for (let id = btf.firstId; id < btf.typeCount; id++) {
    const word = btf.wordOf(id);
    const name = btf.words[word] ?? 0;
    if (name !== 0 && !beginsString(btf, name)) return false;
    if (REFERRING.includes(btf.kind(id)) && (btf.words[word + 2] ?? 0) >= btf.typeCount)
      return false;
  }
  return true;
}

function beginsString(btf: Btf, offset: number): boolean {
  let table: Btf["strings"] | undefined = btf.strings;
  if (offset >= table.end) return false;
  while (offset < table.start && table.base !== undefined) table = table.base;
  return offset === table.start || table.bytes[offset - table.start - 1] === 0;
}
