/**
 * What a command is, and how it reads its arguments.
 *
 * @module
 */

import { type ParseArgsConfig, parseArgs } from "node:util";

/** Runs with the arguments behind its name; returns the exit code. */
export type Command = (args: readonly string[]) => Promise<number>;

/** The command was called in a way that it does not understand: exit code 2. */
export class CommandError extends Error {
  override name = "CommandError";
}

type Options = NonNullable<ParseArgsConfig["options"]>;
type Parsed<O extends Options> = ReturnType<
  typeof parseArgs<{ options: O; allowPositionals: true; strict: true; args: string[] }>
>;

/**
 * Options and positional arguments.
 *
 * @throws CommandError naming an option that is unknown, or lacks its value.
 */
export function readArguments<const O extends Options>(
  args: readonly string[],
  options: O,
): Parsed<O> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    if (error instanceof TypeError && "code" in error) {
      // Node appends advice about positional arguments that begin with a dash.
      throw new CommandError(error.message.replace(/\. To specify a positional.*$/s, ""));
    }
    throw error;
  }
}

/** The file arguments; there must be at least one. */
export function requireFiles(files: readonly string[], command: string): readonly string[] {
  if (files.length === 0) {
    throw new CommandError(`which object file? usage: \`ebpf ${command} --help\``);
  }
  return files;
}
