/**
 * Writes the archives that Linux unpacks into its first root file system (`Documentation/driver-api/early-userspace/buffer-format.rst`).
 *
 * The `newc` format, uncompressed: decompressing would be the guest's work. Everything belongs to root.
 *
 * @module
 */

import { closeSync, openSync, writeSync } from "node:fs";

const [FOLDER, FILE, LINK] = [0o040000, 0o100000, 0o120000];
const encoder = new TextEncoder();

/** An archive on its way to a file; folders above an entry are made when they are first needed. */
export class Archive implements Disposable {
  readonly #fd: number;
  readonly #folders = new Set<string>();
  #inode = 1;

  constructor(path: string) {
    this.#fd = openSync(path, "w", 0o600);
  }

  /** A folder; `path` begins with a slash, as all paths here. */
  folder(path: string, mode = 0o755): void {
    if (path === "/" || path === "" || this.#folders.has(path)) return;
    this.#folders.add(path);
    this.#entry(path, FOLDER | mode, new Uint8Array(0));
  }

  file(path: string, content: Uint8Array | string, mode = 0o644): void {
    this.#entry(path, FILE | mode, typeof content === "string" ? encoder.encode(content) : content);
  }

  link(path: string, target: string): void {
    this.#entry(path, LINK | 0o777, encoder.encode(target));
  }

  /** Writes the end. */
  [Symbol.dispose](): void {
    this.#write(header("TRAILER!!!", 0, 0, 0));
    closeSync(this.#fd);
  }

  #entry(path: string, mode: number, content: Uint8Array): void {
    this.folder(path.slice(0, path.lastIndexOf("/")));
    this.#write(header(path.slice(1), this.#inode++, mode, content.length));
    this.#write(content);
    this.#write(new Uint8Array(-content.length & 3));
  }

  #write(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
  }
}

/** The head of an entry: a magic number and thirteen numbers in hexadecimal, then the name, filled up to four bytes. */
export function header(path: string, inode: number, mode: number, size: number): Uint8Array {
  const name = encoder.encode(path);
  const [links, device] = [mode >> 12 === FOLDER >> 12 ? 2 : 1, 0];
  const numbers = [inode, mode, 0, 0, links, 0, size, device, 0, 0, 0, name.length + 1, 0];
  const text = `070701${numbers.map((value) => value.toString(16).padStart(8, "0")).join("")}`;
  const bytes = new Uint8Array((text.length + name.length + 1 + 3) & ~3);
  bytes.set(encoder.encode(text));
  bytes.set(name, text.length);
  return bytes;
}
