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

/** The definition of `sys`, for scripts that write other scripts. */
export function sysPrologue(
  base: string = new URL("../../src/sys/", import.meta.url).href,
): string {
  return `const sys = (name) => import(${JSON.stringify(base)} + name + ".js");`;
}

/**
 * Runs `script`, an ES module in which `sys(name)` imports a file of `src/sys`; kills it after
 * `seconds`.
 */
export function runChild(
  script: string,
  options: {
    seconds?: number;
    flags?: readonly string[];
    env?: Readonly<Record<string, string>>;
    /** The URL below which `sys` finds files. */
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
  const timer = setTimeout(() => child.kill("SIGKILL"), (options.seconds ?? 20) * 1000 * SLOWNESS);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => {
      clearTimeout(timer);
      resolve({ status, signal, stdout, stderr });
    });
  });
}

/** A script's beginning: a `ring` of `programs.ts` and the `Poller`. */
export const RING_PROLOGUE: string = `
const { openRing } = await import(${JSON.stringify(new URL("./programs.js", import.meta.url).href)});
const { Poller } = await sys("poller");
const ring = openRing();
`;
