/**
 * B5: from the start of a process to its object attached, and what memory that took.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { peakMemory, print, printTime } from "./sample.ts";

/** What is started, with what, and what its rows are called. */
interface Start {
  program: string;
  object: string;
  variant: string;
}

/** Starts the program `repetitions` times, one after the other. */
export async function hello(start: Start, repetitions: number): Promise<void> {
  const { program, object, variant } = start;
  for (let i = 0; i < repetitions; i++) {
    const begin = performance.now();
    const child = spawn(process.execPath, [program, object], { stdio: ["pipe", "pipe", "pipe"] });
    const exit = once(child, "close");
    if (!(await attached(child, variant))) return;
    const ready = performance.now();
    printTime("B5.attached", variant, ready - begin);
    const peak = peakMemory(child.pid);
    if (peak !== undefined) print("B5.rss_peak", variant, peak, "MiB");
    const end = performance.now();
    child.stdin?.end();
    await exit;
    printTime("B5.exit", variant, performance.now() - end);
  }
}

/** Waits for the byte; without it, says why the rows are left out: no root, no Linux, or a kernel without its types. */
async function attached(child: ChildProcess, variant: string): Promise<boolean> {
  const errors: string[] = [];
  child.stderr?.setEncoding("utf8").on("data", (text: string) => errors.push(text));
  const said = await Promise.race([
    once(child.stdout!, "data").then(([bytes]) => String(bytes)),
    once(child, "close").then(() => ""),
  ]);
  if (said === "A") return true;
  const message = /^\w*Error.*$/m.exec(errors.join(""))?.[0] ?? `it said ${JSON.stringify(said)}`;
  process.stderr.write(`B5.attached ${variant} is left out: ${message}\n`);
  child.kill();
  return false;
}
