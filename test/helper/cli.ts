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
  const { status, stdout, stderr } = spawnSync(process.execPath, [...nodeOptions, CLI, ...args], {
    encoding: "utf8",
    maxBuffer: 0x1000_0000,
    timeout: 60_000 * SLOWNESS,
  });
  return { code: status, stdout, stderr };
}
