/**
 * For the tests of static probes: the process of fixtures/usdt, whose probes are passed once for each byte that it is sent.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fixturePath } from "../helper/fixtures.ts";
import { hasMapped, nextOutput, whenEnded } from "../helper/process.ts";

/** Whether the executable runs at the addresses in the file, or anywhere. */
export type SampleKind = "fixed" | "movable";

/** Path of the executable for this machine. */
export function samplePath(kind: SampleKind, arch: string = process.arch): string {
  const machine = arch === "arm64" ? "arm64" : "x86-64";
  return fixturePath(`usdt/${machine}${kind === "movable" ? "-pie" : ""}.elf`);
}

/** A copy of the executable, which may be executed wherever the fixtures come from, and the processes that run it. */
export class Sample implements AsyncDisposable {
  readonly path: string;
  readonly #folder: string;
  readonly #children: ChildProcess[] = [];

  constructor(kind: SampleKind) {
    this.#folder = mkdtempSync(join(tmpdir(), "ebpf-sample-"));
    this.path = join(this.#folder, "sample");
    copyFileSync(samplePath(kind), this.path);
    chmodSync(this.path, 0o755);
  }

  /** Starts a process. */
  async start(): Promise<SampleProcess> {
    const child = spawn(this.path, { stdio: ["pipe", "pipe", "ignore"] });
    this.#children.push(child);
    if (!(await hasMapped(child.pid ?? 0, this.path))) {
      throw new Error(`${this.path} was not started`);
    }
    return new SampleProcess(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = whenEnded(child);
      child.stdin?.end();
      await ended;
    }
    rmSync(this.#folder, { recursive: true });
  }
}

/** A process that runs a {@link Sample}. */
export class SampleProcess {
  readonly pid: number;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.pid = child.pid ?? 0;
    this.#child = child;
  }

  /** Has it pass all of its probes once; the value of the semaphore of `sample:guarded`, without which that one is not passed. */
  async pass(): Promise<number> {
    const answer = nextOutput(this.#child);
    this.#child.stdin!.write("x");
    return (await answer)[0] ?? Number.NaN;
  }
}
