/**
 * Another process, on another CPU, that makes records with a program of this one.
 *
 * @module
 */

import { spawn } from "node:child_process";
import type { FileDescriptor } from "../src/sys/fd.ts";

/** A process that is ready to run a program. */
export interface Producer {
  /** Begins, and is fulfilled when the process has ended. */
  run(): Promise<void>;
}

/** CPU of producers; readers are pinned to {@link READER_CPU}. */
const CPU = 0;
export const READER_CPU = 1;

/** Starts `script`, which is `produce.ts`, with the program as its descriptor 3. */
export function startProducer(
  script: string,
  program: FileDescriptor,
  count: number,
  how: "lone" | "flood",
): Producer {
  const args = [script, String(CPU), String(count), how];
  const child = spawn(process.execPath, args, {
    stdio: ["pipe", "inherit", "inherit", program.number],
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.on("error", reject).on("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${script} ended with ${code}`));
    });
  });
  return {
    run: () => {
      child.stdin!.end("x");
      return ended;
    },
  };
}
