/**
 * Commands that have commands of their own, such as `ebpf map dump`.
 *
 * @module
 */

import { type Command, CommandError, noSuch } from "./command.ts";

/** The command that finds the one of `commands` that its first argument names, each read when it is asked for. */
export function subcommands(
  name: string,
  commands: Readonly<Record<string, () => Promise<Command>>>,
): Command {
  return async ([first, ...rest]) => {
    const names = Object.keys(commands);
    if (first === undefined) {
      throw new CommandError(`which command? one of ${names.join(", ")} is expected`);
    }
    const load = Object.hasOwn(commands, first) ? commands[first] : undefined;
    if (load === undefined) {
      throw new CommandError(noSuch(`there is no command ${name}`, first, names));
    }
    const command = await load();
    return command(rest);
  };
}
