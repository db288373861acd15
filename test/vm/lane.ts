/**
 * One kernel's part of a run: get it, put its first file system together, run the command in a guest.
 *
 * @module
 */

import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cacheFolder } from "./cache.ts";
import { Archive } from "./cpio.ts";
import { foreignUserland } from "./foreign-userland.ts";
import { consoleText, type GuestResult, runGuest } from "./guest.ts";
import { addInit } from "./init.ts";
import { type KernelFiles, obtainKernel } from "./kernel.ts";
import type { Kernel } from "./matrix.ts";
import { addProject, addTree } from "./project.ts";
import { ownUserland } from "./userland.ts";

/** What came of a kernel. */
export interface LaneResult {
  kernel: Kernel;
  release?: string;
  guest?: GuestResult;
  /** Why there is no such kernel, or why there was no guest although there is one. */
  missing?: string;
  broken?: string;
}

/** What is the same for all kernels of a run. */
export interface LaneOptions {
  update: boolean;
  seconds: number;
  /** The archive of the working tree. */
  project: string;
  /** Programs of the host that guests have as well. */
  programs: readonly string[];
}

const LOG_LINES = 40;
const scratch = makeScratch();

/** Keeps the working tree as it is now, for all lanes of a run; gives the path of the archive. */
export function packProject(): string {
  const path = join(scratch, "project.cpio");
  using archive = new Archive(path);
  addProject(archive);
  return path;
}

/** Runs `command` on a kernel; everything there is to see goes to `print`, line by line. */
export async function runLane(
  kernel: Kernel,
  command: string,
  options: LaneOptions,
  print: (line: string) => void,
): Promise<LaneResult> {
  let files: KernelFiles;
  try {
    files = await obtainKernel(kernel, options.update);
  } catch (error) {
    return { kernel, missing: (error as Error).message };
  }
  const { release } = files;
  try {
    const guest = await run(kernel, files, command, options, print);
    return { kernel, release, guest };
  } catch (error) {
    return { kernel, release, broken: (error as Error).message };
  }
}

async function run(
  kernel: Kernel,
  files: KernelFiles,
  command: string,
  options: LaneOptions,
  onLine: (line: string) => void,
): Promise<GuestResult> {
  const initrd = join(scratch, `${kernel.name}.cpio`);
  await writeSystem(initrd, kernel, files, command, options.programs);
  // The kernel unpacks one archive after the other.
  appendFileSync(initrd, readFileSync(options.project));
  const logs = join(cacheFolder, "logs");
  mkdirSync(logs, { recursive: true });
  const consoleLog = join(logs, `${kernel.name}.log`);
  const { arch } = kernel;
  const guest = await runGuest({
    arch,
    kernel: files.image,
    initrd,
    consoleLog,
    secondsLimit: options.seconds,
    onLine,
  });
  rmSync(initrd);
  if (guest.end !== "exited") {
    onLine(`the guest ended without a word (${guest.end}); the end of ${consoleLog}:`);
    for (const line of consoleText(consoleLog).trimEnd().split("\n").slice(-LOG_LINES))
      onLine(line);
  }
  return guest;
}

async function writeSystem(
  path: string,
  kernel: Kernel,
  files: KernelFiles,
  command: string,
  programs: readonly string[],
): Promise<void> {
  const { arch } = kernel;
  const isOwn = arch === process.arch;
  if (!isOwn && programs.length > 0) {
    throw new Error(`the programs ${programs.join(", ")} of this machine do not run on ${arch}`);
  }
  const system = await (isOwn ? ownUserland(programs) : foreignUserland(arch));
  using archive = new Archive(path);
  addInit(archive, command);
  system.add(archive);
  for (const [source, target] of [
    [files.config, `/boot/config-${files.release}`],
    [files.modules, "/lib/modules"],
  ] as const) {
    if (existsSync(source)) addTree(archive, source, target);
  }
}

/** In memory where the host offers that: each file is read once and is a few hundred megabytes long. */
function makeScratch(): string {
  const folder = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "ebpf-vm-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
