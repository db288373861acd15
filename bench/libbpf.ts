/**
 * libbpf as the reader of a map of events: `libbpf.c`, compiled here, in a process of its own.
 *
 * @module
 */

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { FileDescriptor } from "../src/sys/fd.ts";

/** A reader that waits for events. */
export interface LibbpfReader {
  /** What it printed, once it has ended. */
  readonly output: Promise<string>;
  /** Lets it end when nothing comes any more. */
  stop(): void;
}

/**
 * Starts a reader of `map` and waits until it reads; undefined, with a line on the standard error,
 * where there is no compiler or no libbpf.
 */
export async function startLibbpf(
  map: FileDescriptor,
  ...args: readonly string[]
): Promise<LibbpfReader | undefined> {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-bench-"));
  const program = join(folder, "reader");
  let reader: ChildProcess;
  try {
    execFileSync("cc", ["-O2", "-o", program, source(), "-lbpf", "-lelf", "-lz"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    reader = spawn(program, args, { stdio: ["pipe", "pipe", "inherit", map.number] });
  } catch (error) {
    const [reason] = (error as Error).message.split("\n");
    process.stderr.write(`libbpf is left out: it takes cc and libbpf-dev: ${reason}\n`);
    rmSync(folder, { recursive: true });
    return undefined;
  }
  let text = "";
  const { promise: ready, resolve } = signal();
  reader.stdout!.setEncoding("utf8").on("data", (more: string) => {
    text += more;
    if (text.startsWith("ready\n")) resolve();
  });
  const output = new Promise<string>((done, fail) => {
    reader.on("error", fail).on("close", (code) => {
      resolve();
      if (code === 0) done(text.slice("ready\n".length));
      else fail(new Error(`the reader with libbpf ended with ${code}`));
    });
  });
  await ready;
  // It runs on without its file.
  rmSync(folder, { recursive: true });
  return { output, stop: () => reader.stdin!.end() };
}

function signal(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** `libbpf.c` stays in the source tree when this file is compiled to another folder. */
function source(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "bench/libbpf.c"))) {
    if (folder === dirname(folder)) throw new Error("no bench/libbpf.c");
    folder = dirname(folder);
  }
  return join(folder, "bench/libbpf.c");
}
