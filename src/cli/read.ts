/**
 * Reads the files that commands are given.
 *
 * @module
 */

import { readFileSync, statSync } from "node:fs";
import { BpfError } from "../error.ts";
import { type ObjectSpec, parseObject } from "../spec/index.ts";

/** No object or BTF is near this; a device or an endless pipe would be. */
const MAX_FILE = 0x4000_0000;

/**
 * The bytes of a file.
 *
 * @throws BpfError saying that the file is missing, a folder, not readable or too large.
 */
export function readFile(path: string): Uint8Array {
  try {
    const status = statSync(path);
    if (status.isDirectory()) {
      throw new BpfError(`${path} is a folder, not a file`, { code: "EISDIR" });
    }
    if (status.size > MAX_FILE) {
      throw new BpfError(`${path} has ${status.size} bytes, more than this reads`, {
        code: "EFBIG",
      });
    }
    return readFileSync(path);
  } catch (error) {
    if (error instanceof BpfError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? "EIO";
    const what =
      code === "ENOENT" ? "there is no such file" : code === "EACCES" ? "it may not be read" : code;
    throw new BpfError(`${path}: ${what}`, { code });
  }
}

/** Reads an object file; an error names the file. */
export function readObject(path: string): ObjectSpec {
  const bytes = readFile(path);
  try {
    return parseObject(bytes);
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    throw new BpfError(`${path}: ${error.message}`, { code: error.code, cause: error });
  }
}
