/**
 * `ebpf list`: places that programs can be attached to, by kind and pattern.
 *
 * @module
 */

import { type HookList, hookKinds, listHooks } from "../../links/hook-list.ts";
import { type Command, CommandError, readArguments } from "./command.ts";
import { printJson, printText, say } from "./output.ts";

/** Prints what the patterns match, a name a line; notes go to stderr. Exit code 1 when nothing was found. */
export const list: Command = async (args) => {
  const { values, positionals } = readArguments(args, {
    json: { type: "boolean" },
    verbose: { type: "boolean", short: "v" },
  });
  if (positionals.length === 0) {
    throw new CommandError(
      `which? a pattern such as 'tracepoint:sched:*' is expected; kinds are ${hookKinds.join(", ")}`,
    );
  }
  const verbose = values.verbose === true;
  const lists = positionals.map((pattern) => look(pattern, verbose));
  for (const note of new Set(lists.flatMap(({ notes }) => notes))) say(note);
  for (const [index, found] of lists.entries()) {
    if (found.hooks.length > 0) continue;
    const where = found.kinds.join(", ") || "nothing, for want of what is said above";
    say(`nothing matches ${positionals[index]}; looked through: ${where}`);
  }
  const hooks = lists.flatMap((found) => found.hooks);
  if (values.json === true) {
    printJson(hooks.map(({ kind, name, arguments: given }) => ({ kind, name, arguments: given })));
  } else {
    printText(hooks.map((hook) => hookText(hook)).join(""));
  }
  return hooks.length === 0 ? 1 : 0;
};

function look(pattern: string, verbose: boolean): HookList {
  try {
    return listHooks(pattern, { arguments: verbose });
  } catch (error) {
    if (error instanceof TypeError) throw new CommandError(error.message);
    throw error;
  }
}

function hookText({ kind, name, arguments: given = [] }: HookList["hooks"][number]): string {
  return `${kind}:${name}\n${given.map((text) => `    ${text}\n`).join("")}`;
}
