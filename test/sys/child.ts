/**
 * Runs a script in a Node process of its own, for tests of what could end or crash the process.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { SLOWNESS } from "../helper/slowness.ts";

/** How the process ended. */
export interface ChildResult {
  status: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

const joined = new URL("./child-modules.js", import.meta.url).href;

/** The definition of `sys`, for scripts that write other scripts. */
export function sysPrologue(base?: string): string {
  return base === undefined
    ? `const { modules } = await import(${JSON.stringify(joined)}); const sys = (name) => modules[name];`
    : `const sys = (name) => import(${JSON.stringify(base)} + name + ".js");`;
}

/**
 * Runs `script`, an ES module in which `sys(name)` gives one of `child-modules.ts`; kills it after
 * `seconds`, 60 by default, and says so behind what it wrote to stderr.
 */
export function runChild(
  script: string,
  options: {
    seconds?: number;
    flags?: readonly string[];
    env?: Readonly<Record<string, string>>;
    /** The URL of a folder in which `sys` finds other files. */
    base?: string;
  } = {},
): Promise<ChildResult> {
  const source = `${sysPrologue(options.base)}\n${script}`;
  const flags = ["--input-type=module", "--enable-source-maps", ...(options.flags ?? [])];
  const child = spawn(process.execPath, [...flags, "-e", source], {
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const limit = Math.max(options.seconds ?? 0, 60) * SLOWNESS;
  let late = "";
  const timer = setTimeout(() => {
    late = `no end after ${limit} s\n`;
    child.kill("SIGKILL");
  }, limit * 1000);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => {
      clearTimeout(timer);
      resolve({ status, signal, stdout, stderr: stderr + late });
    });
  });
}

/** A script's beginning: a `ring` of `programs.ts` and the `Poller`. */
export const RING_PROLOGUE: string = `
const { openRing } = sys("programs");
const { Poller } = sys("poller");
const ring = openRing();
`;
