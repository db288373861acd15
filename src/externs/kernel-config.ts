/**
 * The configuration that the running kernel was built with, as text: where it is, and how its lines
 * are read.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { release } from "node:os";
import { BpfError } from "../error.ts";

/** Far above any kernel's 0.3 MB, so that a crafted file cannot fill the memory. */
const MAX_SIZE = 0x0400_0000;
/** Options that a message names. */
const MAX_NAMES = 3;
const OPTION = "CONFIG_";

/** A configuration, with the place that it is from. */
export interface ConfigText {
  readonly source: string;
  /** One character a byte. */
  readonly text: string;
}

/** The files that may hold the configuration of the running kernel, in the order of libbpf. */
export function kernelConfigPaths(): string[] {
  return [`/boot/config-${release()}`, "/proc/config.gz"];
}

/**
 * Reads the first of `paths` that can be read, compressed or not. `names` are the options it is
 * read for.
 *
 * @throws BpfError with code `ERR_EXTERN` when there is none, or it is damaged.
 */
export function readKernelConfig(
  names: readonly string[],
  paths: readonly string[] = kernelConfigPaths(),
): ConfigText {
  const failures: Error[] = [];
  for (const path of paths) {
    try {
      return { source: path, text: inflate(path, readFileSync(path)).toString("latin1") };
    } catch (error) {
      if (error instanceof BpfError) throw error;
      failures.push(error as Error);
    }
  }
  const tried = failures.map((error, index) => {
    return `${paths[index]} (${(error as NodeJS.ErrnoException).code ?? error.message})`;
  });
  const more = names.length > MAX_NAMES ? ` and ${names.length - MAX_NAMES} more` : "";
  throw new BpfError(
    `load object: it asks for ${names.slice(0, MAX_NAMES).join(", ")}${more}, and the kernel's configuration is not at hand: ` +
      `looked for ${tried.join(" and ")}; option kconfig can give the values instead`,
    { code: "ERR_EXTERN", cause: failures.at(-1) },
  );
}

function inflate(path: string, bytes: Buffer): Buffer {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  // Few objects ask for it, and Node takes 0.4 ms to make the module, of 25 that `import "ebpf"` takes.
  const { gunzipSync } = process.getBuiltinModule("node:zlib");
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_SIZE });
  } catch (cause) {
    throw new BpfError(`read the kernel's configuration: ${path} cannot be decompressed`, {
      code: "ERR_EXTERN",
      cause,
    });
  }
}

/**
 * The values of the options in `wanted`, as they are written; of an option that is set twice, the
 * first. Options that are commented out (`# CONFIG_X is not set`) have none.
 *
 * @throws BpfError with code `ERR_EXTERN` for a line that begins like an option and is none.
 */
export function parseConfig(
  { source, text }: ConfigText,
  wanted: ReadonlySet<string>,
): Map<string, string> {
  const values = new Map<string, string>();
  let number = 0;
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf("\n", start);
    const end = newline === -1 ? text.length : newline;
    number++;
    if (text.startsWith(OPTION, start)) {
      const line = text.slice(start, end);
      const equals = line.indexOf("=");
      if (equals === -1 || equals === line.length - 1) {
        throw new BpfError(
          `read the kernel's configuration: line ${number} of ${source} gives no value: ${line.slice(0, 60)}`,
          { code: "ERR_EXTERN" },
        );
      }
      const name = line.slice(0, equals);
      if (wanted.has(name) && !values.has(name)) values.set(name, line.slice(equals + 1));
    }
    start = end + 1;
  }
  return values;
}
