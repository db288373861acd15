/**
 * The error of a target that cannot be attached to because it is not there, is not unique or is of the wrong sort.
 *
 * @module
 */

import { BpfError } from "../src/error.ts";
import { didYouMean } from "../src/near-matches.ts";

/**
 * A tracepoint, symbol, file or library was not found or cannot be probed: `target` is what was asked for, `suggestions` names that
 * exist and look like it, best first. `code` is `ENOENT` when there is no such thing, else `ERR_TARGET`.
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
