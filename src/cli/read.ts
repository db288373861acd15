/**
 * Reads the files that commands are given.
 *
 * @module
 */

import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";
import { BpfError } from "../error.ts";
import { type ObjectSpec, parseObject } from "../spec/index.ts";

/** No object or BTF is near this; a device or an endless pipe would be. */
const MAX_FILE = 0x4000_0000;

const CHUNK = 0x1_0000;

/**
 * The bytes of a file, or of a pipe until its end.
 *
 * @throws BpfError saying that the file is missing, a folder, a device, not readable or too large.
 */
export function readFile(path: string): Uint8Array {
  let fd: number | undefined;
  try {
    fd = openSync(path, "r");
    const status = fstatSync(fd);
    if (status.isDirectory()) throw refusal(path, "EISDIR", "it is a folder, not a file");
    if (status.isFIFO()) return readPipe(fd, path);
    if (!status.isFile()) throw refusal(path, "EINVAL", "it is no file, but a device or socket");
    if (status.size > MAX_FILE) throw tooLarge(path);
    return readFileSync(fd);
  } catch (error) {
    if (error instanceof BpfError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? "EIO";
    throw refusal(path, code, MEANINGS[code] ?? code);
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

const MEANINGS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  ENOTDIR: "there is no such file",
  EACCES: "it may not be read",
};

function readPipe(fd: number, path: string): Uint8Array {
  const chunks: Uint8Array[] = [];
  for (let total = 0; total <= MAX_FILE; ) {
    const chunk = new Uint8Array(CHUNK);
    const count = readSync(fd, chunk);
    if (count === 0) return Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, count));
    total += count;
  }
  throw tooLarge(path);
}

function tooLarge(path: string): BpfError {
  return refusal(path, "EFBIG", `it has more than ${MAX_FILE} bytes`);
}

function refusal(path: string, code: string, what: string): BpfError {
  return new BpfError(`${path}: ${what}`, { code });
}

/** An object file that was read. */
export interface ObjectFile {
  file: string;
  bytes: Uint8Array;
  spec: ObjectSpec;
}

/** Reads an object file; an error names the file. */
export function readObject(file: string): ObjectFile {
  const bytes = readFile(file);
  return { file, bytes, spec: inFile(file, () => parseObject(bytes)) };
}

/** What `body` gives; its errors are given the name of the file that they are about. */
export function inFile<T>(file: string, body: () => T): T {
  try {
    return body();
  } catch (error) {
    if (!(error instanceof BpfError)) throw error;
    throw new BpfError(`${file}: ${error.message}`, { code: error.code, cause: error });
  }
}
