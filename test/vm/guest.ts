/**
 * Runs one command in one guest, from boot to its end, within a time limit.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { endWithUs, environment } from "./command.ts";
import { machineCommand } from "./machine.ts";
import type { Arch } from "./matrix.ts";
import { SerialReader } from "./serial.ts";

/** What to run, and where. */
export interface GuestInput {
  arch: Arch;
  kernel: string;
  initrd: string;
  consoleLog: string;
  /** From the start of the command. */
  secondsLimit: number;
  onLine: (line: string) => void;
}

/** How it went. */
export interface GuestResult {
  end: "exited" | "panic" | "time limit" | "died" | "no boot";
  /** Exit code of the command, where it came to its end. */
  code: number | undefined;
  results: readonly string[];
  /** Until the guest was up, and until it was gone. */
  bootSeconds: number;
  seconds: number;
}

const BOOT_SECONDS = Number(process.env["EBPF_VM_BOOT_SECONDS"] ?? 120);
const BOOTS = 3;
const POWER_OFF_SECONDS = 20;

/** Starts the guest; one that does not come up is started again, anything later counts. */
export async function runGuest(input: GuestInput): Promise<GuestResult> {
  for (let boot = 1; ; boot++) {
    const result = await runOnce(input);
    if (result.end !== "no boot" || boot === BOOTS) return result;
    input.onLine(
      `the guest did not come up in ${result.seconds.toFixed(0)} s (try ${boot} of ${BOOTS})`,
    );
  }
}

function runOnce(input: GuestInput): Promise<GuestResult> {
  const nonce = randomBytes(8).toString("hex");
  const { program, args } = machineCommand({ ...input, nonce });
  const begin = performance.now();
  const elapsed = (): number => (performance.now() - begin) / 1000;
  let bootSeconds = 0;
  let isLate = false;
  const child = spawn(program, args, { env: environment(), stdio: ["ignore", "pipe", "pipe"] });
  endWithUs(child);
  let timer = kill(child, BOOT_SECONDS);
  const reader = new SerialReader(
    nonce,
    () => {
      bootSeconds = elapsed();
      clearTimeout(timer);
      timer = kill(child, input.secondsLimit, () => {
        isLate = true;
      });
    },
    input.onLine,
  );
  child.stdout.on("data", (chunk: Buffer) => {
    const wasRunning = reader.code === undefined;
    reader.push(chunk);
    if (!wasRunning || reader.code === undefined) return;
    clearTimeout(timer);
    timer = kill(child, POWER_OFF_SECONDS);
  });
  let complaints = "";
  child.stderr.on("data", (chunk: Buffer) => {
    complaints += chunk;
  });
  return new Promise((resolve, reject) => {
    child.once("error", (error) => {
      clearTimeout(timer);
      reject(new Error(`run ${program} (.ci/vm-packages installs it)`, { cause: error }));
    });
    child.once("close", () => {
      clearTimeout(timer);
      reader.end();
      const { code, results } = reader;
      const end = endOf(reader, isLate, input.consoleLog);
      if (end !== "exited" && complaints !== "") input.onLine(`${program}: ${complaints.trim()}`);
      resolve({ end, code, results, bootSeconds, seconds: elapsed() });
    });
  });
}

function endOf(reader: SerialReader, isLate: boolean, consoleLog: string): GuestResult["end"] {
  if (reader.code !== undefined) return "exited";
  if (!reader.started) return "no boot";
  if (isLate) return "time limit";
  return consoleText(consoleLog).includes("Kernel panic") ? "panic" : "died";
}

/** What the kernel has logged. */
export function consoleText(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function kill(child: ChildProcess, seconds: number, before = (): void => {}): NodeJS.Timeout {
  return setTimeout(() => {
    before();
    child.kill("SIGKILL");
  }, seconds * 1000);
}
