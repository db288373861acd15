/**
 * `ebpf btf`: finds the one of its commands that is meant.
 *
 * @module
 */

import { type Command, CommandError, noSuch } from "./command.ts";

const COMMANDS: Record<string, () => Promise<Command>> = {
  dump: async () => (await import("./btf-dump.ts")).dump,
  min: async () => (await import("./btf-min.ts")).min,
};

/** Types: prints them, or reduces them to what objects need. */
export const btf: Command = async (args) => {
  const [name, ...rest] = args;
  const names = Object.keys(COMMANDS);
  if (name === undefined) {
    throw new CommandError(`which command? ${names.join(" or ")} is expected`);
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) throw new CommandError(noSuch("there is no command btf", name, names));
  const command = await load();
  return command(rest);
};
