/**
 * Runs commands that look at the kernel without a process for each: in guests of the kernel matrix starting one takes seconds.
 *
 * @module
 */

import { type Command, CommandError } from "../../src/cli/command.ts";
import { doctor } from "../../src/cli/doctor.ts";
import { features } from "../../src/cli/features.ts";
import { link } from "../../src/cli/link.ts";
import { list } from "../../src/cli/list.ts";
import { map } from "../../src/cli/map.ts";
import { explain } from "../../src/cli/output.ts";
import { prog } from "../../src/cli/prog.ts";
import { run } from "../../src/cli/run.ts";
import { trace } from "../../src/cli/trace.ts";
import { verify } from "../../src/cli/verify.ts";
import type { Outcome } from "./cli.ts";

const COMMANDS: Readonly<Record<string, Command>> = {
  doctor,
  features,
  link,
  list,
  map,
  prog,
  run,
  trace,
  verify,
};

/** What `ebpf ARGS…` prints and ends with, but for the name of the command before errors. */
export async function ebpfHere(args: readonly string[]): Promise<Outcome> {
  const [name = "", ...rest] = args;
  const command = COMMANDS[name];
  if (command === undefined) throw new TypeError(`no command ${name} here`);
  const outcome: Outcome = { code: 0, stdout: "", stderr: "" };
  const { stdout, stderr } = process;
  const writes = [stdout.write, stderr.write] as const;
  stdout.write = keep((text) => {
    outcome.stdout += text;
  });
  stderr.write = keep((text) => {
    outcome.stderr += text;
  });
  try {
    outcome.code = await command(rest);
  } catch (error) {
    outcome.code = error instanceof CommandError ? 2 : 1;
    outcome.stderr += `${explain(error)}\n`;
  } finally {
    [stdout.write, stderr.write] = writes;
  }
  return outcome;
}

function keep(add: (text: string) => void): typeof process.stdout.write {
  return (chunk: string | Uint8Array) => {
    add(String(chunk));
    return true;
  };
}
