/**
 * The version of this package, from its package.json.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** Such as `0.1.0`. */
export function version(): string {
  // The package names itself, so that this works from dist and from an installed copy alike.
  const path = createRequire(import.meta.url).resolve("ebpf/package.json");
  return String((JSON.parse(readFileSync(path, "utf8")) as { version: unknown }).version);
}
