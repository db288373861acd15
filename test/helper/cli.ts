/**
 * Runs the command `ebpf` as its users do: as a process of its own.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { SLOWNESS } from "./slowness.ts";

/** What a run of the command left. */
export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

const [bundled, compiled] = ["../../bin/ebpf.js", "../../src/cli.js"].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
) as [string, string];
/** The command as it is published; its module where tests were compiled to another folder than the build's. */
export const CLI: string = existsSync(bundled) ? bundled : compiled;

/** Runs it to its end; `nodeOptions` stand before the script. */
export function ebpf(args: readonly string[], nodeOptions: readonly string[] = []): Outcome {
  const command = [...nodeOptions, CLI, ...args];
  const { status, stdout, stderr, error } = spawnSync(process.execPath, command, {
    encoding: "utf8",
    maxBuffer: 0x1000_0000,
    timeout: 120_000 * SLOWNESS,
  });
  if (error !== undefined)
    throw new Error(`ebpf ${args.join(" ").slice(0, 200)}`, { cause: error });
  return { code: status, stdout, stderr };
}
