/**
 * Tests that hold our answers against bpftool's, where that is installed. Guests of the kernel matrix have none, so that these
 * tests are not registered there.
 *
 * @module
 */

import { execFileSync, spawnSync } from "node:child_process";
import type { Test } from "uvu";
import { hostTest } from "./kernel.ts";
import { SLOWNESS } from "./slowness.ts";

const PATHS = ["bpftool", "/usr/sbin/bpftool", "/sbin/bpftool"];

const command = PATHS.find((path) => spawnSync(path, ["version"]).status === 0);

/** Registers a test of the kernel tier that needs bpftool; it is skipped, with that reason, where there is none. */
export function bpftoolTest(test: Test, name: string, body: () => void | Promise<void>): void {
  const obstacle = () => (command === undefined ? "bpftool is not installed" : undefined);
  hostTest(test, name, body, { needs: "bpftool", obstacle });
}

/** What bpftool prints with `-j`. */
export function bpftool(...args: readonly string[]): unknown {
  const text = execFileSync(command ?? "bpftool", [...args, "-j"], {
    encoding: "utf8",
    maxBuffer: 0x1000_0000,
    timeout: 60_000 * SLOWNESS,
    // It complains of what it finds on the way.
    stdio: ["ignore", "pipe", "ignore"],
  });
  return JSON.parse(text);
}
