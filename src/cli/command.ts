/**
 * What a command is, and how it reads its arguments.
 *
 * @module
 */

import { type ParseArgsConfig, parseArgs } from "node:util";
import { didYouMean, nearMatches } from "../near-matches.ts";

/** Runs with the arguments behind its name; returns the exit code. */
export type Command = (args: readonly string[]) => Promise<number>;

/** The command was called in a way that it does not understand: exit code 2. */
export class CommandError extends Error {
  override name = "CommandError";
}

type Options = NonNullable<ParseArgsConfig["options"]>;
type Parsed<O extends Options> = ReturnType<
  typeof parseArgs<{
    options: O;
    allowPositionals: true;
    strict: true;
    tokens: true;
    args: string[];
  }>
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
    return parseArgs({
      args: [...args],
      options,
      allowPositionals: true,
      strict: true,
      tokens: true,
    });
  } catch (error) {
    if (error instanceof TypeError && "code" in error) {
      // Without a cause: Node's text would be printed behind ours.
      throw new CommandError(complaint(error.message, options));
    }
    throw error;
  }
}

/** What Node says of an option, in the words of this package: Node's text names it in quotes, with its short form and `<value>`. */
function complaint(text: string, options: Options): string {
  const quoted = /^(?:Unknown option|Option) '([^']*)'(.*)/s.exec(text);
  const option = quoted?.[1]?.replace(/^-\w, /, "").replace(/ <value>$/, "") ?? "";
  if (text.startsWith("Unknown option")) {
    if (/^-\d/.test(option)) {
      return `there is no option ${option}; what begins with a dash stands behind --, as in \`-- KEY -1\``;
    }
    return noSuch(
      "there is no option",
      option,
      Object.keys(options).map((name) => `--${name}`),
    );
  }
  const rest = quoted?.[2] ?? "";
  if (rest.includes("does not take an argument")) return `${option} takes no value`;
  if (rest.includes("argument missing")) return `${option}: a value is expected after it`;
  if (rest.includes("argument is ambiguous")) {
    return `${option}: a value is expected after it; one that begins with a dash is written ${option}=-VALUE`;
  }
  return text;
}

/** `problem`, the name that is not among `names`, and what may have been meant, or what there is. */
export function noSuch(problem: string, name: string, names: readonly string[]): string {
  const near = name.length > 2 ? nearMatches(name, names) : [];
  return `${problem} ${name}${didYouMean(near) || `; there are ${names.join(", ") || "none"}`}`;
}

/**
 * For `COMMAND FILE… --LISTED PATH…`: what follows the first PATH is another, up to the next option. With no FILE before
 * the first `--LISTED`, each takes one PATH, and the rest are files.
 */
export function divideFiles(
  { tokens, positionals }: Pick<Parsed<Options>, "tokens" | "positionals">,
  listed: string,
): { files: readonly string[]; paths: readonly string[] } {
  const files: string[] = [];
  const paths: string[] = [];
  const first = tokens.find((token) => token.kind === "option" && token.name === listed);
  const start = tokens.find((token) => token.kind === "positional");
  const alternate = start === undefined || (first !== undefined && first.index < start.index);
  let takesPaths = false;
  for (const token of tokens) {
    if (token.kind === "positional") (takesPaths ? paths : files).push(token.value);
    else {
      const isListed = token.kind === "option" && token.name === listed;
      if (isListed) paths.push(token.value ?? "");
      takesPaths = isListed && !alternate;
    }
  }
  return alternate ? { files: positionals, paths } : { files, paths };
}

/** The file arguments; there must be at least one. */
export function requireFiles(files: readonly string[], command: string): readonly string[] {
  if (files.length === 0) {
    throw new CommandError(`which object file? usage: \`ebpf ${command} --help\``);
  }
  return files;
}
