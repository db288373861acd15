/**
 * Runs programs of the host to their end, and keeps no process alive longer than this one.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";

const running = new Set<ChildProcess>();
let isWatching = false;
/** Debian keeps some of the programs where only root looks for them. */
const PATH = `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`;

/** The environment for programs of the host. */
export function environment(more: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv {
  return { ...process.env, LC_ALL: "C.UTF-8", PATH, ...more };
}

/** Ends `child` with this process, however that ends. */
export function endWithUs(child: ChildProcess): void {
  if (!isWatching) watchOurEnd();
  isWatching = true;
  running.add(child);
  child.once("close", () => running.delete(child));
}

/** Runs a program and gives its standard output; throws with what it said when it fails. */
export function capture(
  program: string,
  args: readonly string[],
  options: { env?: Readonly<Record<string, string>>; cwd?: string } = {},
): Promise<string> {
  const child = spawn(program, args, {
    env: environment(options.env),
    cwd: options.cwd,
    stdio: ["ignore", "pipe", "pipe"],
  });
  endWithUs(child);
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
  return new Promise((resolve, reject) => {
    child.once("error", (error: NodeJS.ErrnoException) => {
      const help =
        error.code === "ENOENT" ? ": it is not installed (.ci/vm-packages does that)" : "";
      reject(new Error(`run ${program}${help}`, { cause: error }));
    });
    child.once("close", (code, signal) => {
      if (code === 0) return resolve(Buffer.concat(output).toString());
      const said = Buffer.concat(errors).toString().trim().split("\n").slice(-3).join("; ");
      reject(new Error(`run ${program} ${args.slice(0, 3).join(" ")}: ${code ?? signal}: ${said}`));
    });
  });
}

/** Kills what is still running, by its id, when this process ends or is asked to. */
function watchOurEnd(): void {
  process.on("exit", () => {
    for (const child of running) child.kill("SIGKILL");
  });
  const signals = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };
  for (const [signal, code] of Object.entries(signals))
    process.on(signal, () => process.exit(code));
}
