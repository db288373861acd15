/**
 * Where `check` gets the types of kernels from: BTF files, ELF files with BTF, compressed ones, folders, the running kernel.
 *
 * @module
 */

import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import * as zlib from "node:zlib";
import { BpfError } from "../error.ts";
import { CommandError } from "./command.ts";
import { readFile } from "./read.ts";

/** A kernel whose types are read when they are wanted, so that one at a time is in memory. */
export interface BtfSource {
  name: string;
  /** Undefined for the running kernel. */
  path?: string;
  read(): Uint8Array;
  /** The types of its modules, where they are known with the kernel's. */
  modules?(): { name: string; btf: Uint8Array }[];
}

const FOLDER = "/sys/kernel/btf";
const RUNNING = join(FOLDER, "vmlinux");
const EXTENSIONS = /\.(btf|gz|br|xz|zst|elf|raw)$/;
/**
 * The BTF of no kernel is near this, nor is a kernel without debug information; what a small compressed file unpacks to could be. Types of
 * that size take four times as much.
 */
const MAX_UNPACKED = 0x0600_0000;

/**
 * The kernels that the arguments of `--btf` name: a file, a folder of files, `NAME=FILE`, or `kernel`.
 *
 * @throws CommandError for a folder without files, or a name that is given twice.
 */
export function btfSources(paths: readonly string[]): BtfSource[] {
  const sources = paths.flatMap(sourcesOf);
  const seen = new Set<string>();
  for (const { name } of sources) {
    if (seen.has(name))
      throw new CommandError(`two kernels are called ${name}; NAME=PATH gives another name`);
    seen.add(name);
  }
  return sources;
}

function sourcesOf(text: string): BtfSource[] {
  if (text === "kernel") return [{ name: "kernel", read: readRunning, modules: readModules }];
  const [, name, path = ""] = /^([^=/]+)=(.+)$/.exec(text) ?? [undefined, undefined, text];
  if (name !== undefined) return [{ name, path, read: () => readBtf(path) }];
  if (!isFolder(path)) return [{ name: kernelName(path), path, read: () => readBtf(path) }];
  const files = readdirSync(path, { withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && EXTENSIONS.test(entry.name))
    .map((entry) => entry.name)
    .sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  if (files.length === 0)
    throw new CommandError(
      `--btf ${path}: no .btf, .elf, .gz, .br, .zst or .xz file is in this folder`,
    );
  return files.map((file) => {
    const inside = join(path, file);
    return { name: kernelName(file), path: inside, read: () => readBtf(inside) };
  });
}

/** Whether it is a folder, rather than a file or nothing. */
export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** A file's name without the extensions that say how it is stored: `6.1.btf.gz` is `6.1`. */
function kernelName(path: string): string {
  return fileStem(path, EXTENSIONS);
}

/** A file's name without its folder and extensions. */
export function fileStem(path: string, extensions: RegExp): string {
  let name = basename(path);
  while (extensions.test(name)) name = name.replace(extensions, "");
  return name;
}

function readRunning(): Uint8Array {
  try {
    return readFileSync(RUNNING);
  } catch (error) {
    throw new BpfError(
      `--btf kernel: ${RUNNING} cannot be read: this is no Linux with CONFIG_DEBUG_INFO_BTF`,
      {
        code: (error as NodeJS.ErrnoException).code ?? "EIO",
        cause: error,
      },
    );
  }
}

/** The types of the modules that are loaded; those that may not be read are left out. */
function readModules(): { name: string; btf: Uint8Array }[] {
  return readdirSync(FOLDER).flatMap((name) => {
    if (name === "vmlinux") return [];
    try {
      return [{ name, btf: readFileSync(join(FOLDER, name)) }];
    } catch {
      return [];
    }
  });
}

/** The bytes of a file, unpacked: raw BTF, or an ELF file that has it. */
export function readBtf(path: string): Uint8Array {
  return unpack(path, readFile(path));
}

/** Decompresses all of `bytes`, to no more than `maxOutputLength`. */
type Unpack = (bytes: Uint8Array, options: { maxOutputLength: number }) => Uint8Array;

function unpack(path: string, bytes: Uint8Array): Uint8Array {
  const begins = (...magic: number[]): boolean => magic.every((byte, at) => bytes[at] === byte);
  let how: Unpack | undefined;
  if (begins(0x1f, 0x8b)) how = zlib.gunzipSync;
  else if (begins(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0)) {
    const archive = path.endsWith(".tar.xz") ? `tar -xJf ${path}` : `unxz --keep ${path}`;
    throw refusal(path, "it is compressed with xz, which Node does not unpack", archive);
  } else if (begins(0x28, 0xb5, 0x2f, 0xfd)) {
    // From Node 22.15 on, and unknown to the types of those before.
    how = (zlib as { zstdDecompressSync?: Unpack }).zstdDecompressSync;
    if (how === undefined) {
      const found = `it is compressed with zstd, which Node unpacks from 22.15 on, and this is ${process.versions.node}`;
      throw refusal(path, found, `unzstd --keep ${path}`);
    }
    // Brotli has no mark at its beginning.
  } else if (path.endsWith(".br")) how = zlib.brotliDecompressSync;
  if (how === undefined) return bytes;
  try {
    return how(bytes, { maxOutputLength: MAX_UNPACKED });
  } catch (error) {
    throw new BpfError(`${path}: it cannot be unpacked`, { code: "ERR_COMPRESSION", cause: error });
  }
}

function refusal(path: string, found: string, command: string): BpfError {
  return new BpfError(`${path}: ${found}; unpack it first: ${command}`, {
    code: "ERR_COMPRESSION",
  });
}
