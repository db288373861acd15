// Starts a few harmless processes, so that a quiet machine has something to show.

import { spawn } from "node:child_process";
import { setTimeout as wait } from "node:timers/promises";

const COMMANDS: readonly (readonly string[])[] = [
  ["true"],
  ["sh", "-c", "exit 3"],
  ["uname", "-s", "-r"],
  ["sleep", "0.2"],
  ["sh", "-c", "kill -TERM $$"],
  ["ls", "/nowhere"],
];

/** Starts one of them every 150 ms, from the beginning again, until `signal` is aborted. */
export async function startSomeProcesses(signal: AbortSignal): Promise<void> {
  try {
    for (let turn = 0; !signal.aborted; turn++) {
      const [command, ...args] = COMMANDS[turn % COMMANDS.length]!;
      // A command that a machine does not have is no reason to stop.
      spawn(command!, args, { stdio: "ignore" }).on("error", () => {});
      await wait(150, undefined, { signal });
    }
  } catch {
    // The wait was aborted: that is the end.
  }
}
