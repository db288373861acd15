/**
 * The text form of a static probe's target, `PATH:PROVIDER:NAME`, as section names spell it. It looks nothing up.
 *
 * @module
 */

import { shown } from "../src/options.ts";
import { TargetError } from "../src/target-error.ts";

/** What a text says of a static probe. */
export interface UsdtTarget {
  /** A path, or a bare name such as `libc.so.6`. */
  path: string;
  provider: string;
  name: string;
}

/** Parses `PATH:PROVIDER:NAME`. @throws TargetError (`ERR_TARGET`) for anything else. */
export function parseUsdtTarget(text: string): UsdtTarget {
  if (typeof text !== "string") {
    throw new TypeError(`a static probe is text, PATH:PROVIDER:NAME, not ${shown(text)}`);
  }
  const [, path, provider, name] = /^(.+):([^:]+):([^:]+)$/s.exec(text) ?? [];
  if (path === undefined || provider === undefined || name === undefined) {
    throw new TargetError(`"${text}" does not name a static probe; write PATH:PROVIDER:NAME`, {
      code: "ERR_TARGET",
      target: text,
    });
  }
  return { path, provider, name };
}
