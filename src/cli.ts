#!/usr/bin/env node
/**
 * The command `ebpf`: finds the command that is meant, and says in one line what went wrong.
 *
 * Data goes to stdout, talk to stderr. Exit code 0: done and fine; 1: done and something failed; 2: misused.
 *
 * @module
 */

import { type Command, CommandError, noSuch } from "./cli/command.ts";
import { commandHelp, help } from "./cli/help.ts";
import { endRunning } from "./cli/interrupt.ts";
import { explain, say } from "./cli/output.ts";

/** Each command is read only when it is asked for. */
const COMMANDS: Record<string, () => Promise<Command>> = {
  inspect: async () => (await import("./cli/inspect.ts")).inspect,
  check: async () => (await import("./cli/check.ts")).check,
  run: async () => (await import("./cli/run.ts")).run,
  list: async () => (await import("./cli/list.ts")).list,
  trace: async () => (await import("./cli/trace.ts")).trace,
  verify: async () => (await import("./cli/verify.ts")).verify,
  disasm: async () => (await import("./cli/disasm.ts")).disasm,
  btf: async () => (await import("./cli/btf.ts")).btf,
  features: async () => (await import("./cli/features.ts")).features,
  doctor: async () => (await import("./cli/doctor.ts")).doctor,
  prog: async () => (await import("./cli/prog.ts")).prog,
  map: async () => (await import("./cli/map.ts")).map,
  link: async () => (await import("./cli/link.ts")).link,
};

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) {
    process.stderr.write(help());
    return 2;
  }
  if (isHelp(name) || name === "help") {
    const topic = rest.find((text) => !isHelp(text));
    const text = topic === undefined ? help() : commandHelp(topic);
    if (text === undefined) throw unknown(topic ?? "");
    process.stdout.write(text);
    return 0;
  }
  if (name === "--version") {
    const { version } = await import("./cli/version.ts");
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) throw unknown(name);
  const end = rest.indexOf("--");
  // What follows `--` are files, whatever they are called.
  if (rest.slice(0, end === -1 ? rest.length : end).some(isHelp)) {
    process.stdout.write(commandHelp(name) ?? help());
    return 0;
  }
  const command = await load();
  return command(rest);
}

function isHelp(text: string): boolean {
  return text === "--help" || text === "-h";
}

function unknown(name: string): CommandError {
  return new CommandError(noSuch("there is no command", name, Object.keys(COMMANDS)));
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // A reader that goes away, such as `| head`, is no error; a full disk is.
  const isGone = error.code === "EPIPE";
  if (!isGone && process.exitCode !== 1) {
    say(`ebpf: writing to stdout: ${error.code}`);
    process.exitCode = 1;
  }
  // What runs takes back what it attached: the kernel does not do that for routes and filters.
  if (!endRunning()) process.exit();
});
// Nobody is left to tell.
process.stderr.on("error", () => {});

const args = process.argv.slice(2);
try {
  const code = await main(args);
  process.exitCode ||= code;
} catch (error) {
  say(`ebpf${args[0] === undefined ? "" : ` ${args[0]}`}: ${explain(error)}`);
  process.exitCode = error instanceof CommandError ? 2 : 1;
}
