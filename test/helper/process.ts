/**
 * Child processes of tests: a test waits for what they do as long as a slow machine takes, and not for ever.
 *
 * @module
 */

import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { SLOWNESS } from "./slowness.ts";

/** How a process ended. */
export interface End {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/**
 * Waits until a process has ended and its streams are closed. One that takes more than `seconds`, times {@link SLOWNESS}, is killed,
 * which is an error.
 */
export function whenEnded(child: ChildProcess, seconds = 60): Promise<End> {
  const end = new Promise<End>((resolve, reject) => {
    const limit = seconds * SLOWNESS;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      child.kill("SIGKILL");
    }, limit * 1000);
    child.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      if (!isLate) resolve({ code, signal });
      else reject(new Error(`${wordsOf(child)} did not end within ${limit} s`));
    });
  });
  // Who asks later is told, too.
  end.catch(() => {});
  return end;
}

/** The next bytes of a process on its standard output; that it ends, or is silent for `seconds`, is an error. */
export function nextOutput(child: ChildProcess, seconds = 60): Promise<Uint8Array> {
  const { stdout } = child;
  if (stdout === null) throw new TypeError("the process has no standard output here");
  const limit = seconds * SLOWNESS;
  return new Promise((resolve, reject) => {
    const settle = (end: () => void): void => {
      clearTimeout(timer);
      stdout.off("data", onData);
      child.off("close", onClose);
      end();
    };
    const onData = (bytes: Uint8Array): void => settle(() => resolve(bytes));
    const fail = (what: string): void =>
      settle(() => reject(new Error(`${wordsOf(child)} ${what}`)));
    const onClose = (code: number | null, signal: string | null): void =>
      fail(`ended, with ${signal ?? code}, before it said anything`);
    const timer = setTimeout(() => fail(`said nothing for ${limit} s`), limit * 1000);
    stdout.on("data", onData);
    child.on("close", onClose);
  });
}

/** Waits until `holds`, as long as a slow machine may take, and says whether it came to that. */
export async function eventually(holds: () => boolean, seconds = 30): Promise<boolean> {
  const end = performance.now() + seconds * 1000 * SLOWNESS;
  while (!holds()) {
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return true;
}

/**
 * Waits until a process that was just started has a file in its memory: starting it is over for the parent before the new program is
 * there.
 */
export async function hasMapped(pid: number, path: string): Promise<boolean> {
  return eventually(() => {
    try {
      return readFileSync(`/proc/${pid}/maps`, "utf8").includes(path);
    } catch {
      return false;
    }
  });
}

function wordsOf({ spawnargs }: ChildProcess): string {
  return spawnargs.join(" ").slice(0, 200);
}
