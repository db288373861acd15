#!/usr/bin/env node
/**
 * The command `ebpf`: finds the command that is meant, and says in one line what went wrong.
 *
 * Data goes to stdout, talk to stderr. Exit code 0: done and fine; 1: done and something failed; 2: misused.
 *
 * @module
 */

import { type Command, CommandError } from "./cli/command.ts";
import { commandHelp, help } from "./cli/help.ts";
import { explain } from "./cli/output.ts";

/** Each command is read only when it is asked for. */
const COMMANDS: Record<string, () => Promise<Command>> = {
  inspect: async () => (await import("./cli/inspect.ts")).inspect,
  check: async () => (await import("./cli/check.ts")).check,
  run: async () => (await import("./cli/run.ts")).run,
};

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    const topic = rest[0];
    const text = topic === undefined ? help() : commandHelp(topic);
    if (text === undefined)
      throw new CommandError(`there is no command ${topic}; \`ebpf --help\` lists them`);
    process.stdout.write(text);
    return name === undefined ? 2 : 0;
  }
  if (name === "--version") {
    const { version } = await import("./cli/version.ts");
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined)
    throw new CommandError(`there is no command ${name}; \`ebpf --help\` lists them`);
  if (rest.includes("--help") || rest.includes("-h")) {
    process.stdout.write(commandHelp(name) ?? help());
    return 0;
  }
  const command = await load();
  return command(rest);
}

// A reader that goes away, such as `| head`, is no error.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(process.exitCode ?? 0);
  throw error;
});

const args = process.argv.slice(2);
try {
  process.exitCode = await main(args);
} catch (error) {
  process.stderr.write(`ebpf${args[0] === undefined ? "" : ` ${args[0]}`}: ${explain(error)}\n`);
  process.exitCode = error instanceof CommandError ? 2 : 1;
}
