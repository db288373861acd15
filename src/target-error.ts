/**
 * The error for what is not there to attach to, or to open by its name. Apart from the others, which portable modules throw, since it looks for near matches.
 *
 * @module
 */

import { BpfError } from "./error.ts";
import { didYouMean } from "./near-matches.ts";

/**
 * A tracepoint, symbol, file, library or network namespace was not found or cannot be used: `target` is what was asked for,
 * `suggestions` names that exist and look like it, best first. `code` is `ENOENT` when there is no such thing, else `ERR_TARGET`.
 */
export class TargetError extends BpfError {
  override name = "TargetError";
  readonly target: string;
  readonly suggestions: readonly string[];

  constructor(
    message: string,
    options: {
      code?: "ENOENT" | "ERR_TARGET";
      target: string;
      suggestions?: readonly string[];
      cause?: unknown;
    },
  ) {
    const suggestions = options.suggestions ?? [];
    super(`${message}${didYouMean(suggestions)}`, {
      code: options.code ?? "ENOENT",
      cause: options.cause,
    });
    this.target = options.target;
    this.suggestions = suggestions;
  }
}
