/**
 * The configuration that the running kernel was built with, as far as it can be read.
 *
 * The tests' own reading of it, apart from the one in `src/externs` that they test.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { release } from "node:os";
import { gunzipSync } from "node:zlib";

let options: ReadonlySet<string> | undefined;

/** Those of `names`, such as `CONFIG_NETKIT`, that the kernel was built without; none where nothing tells. */
export function missingConfig(names: readonly string[]): string[] {
  options ??= enabledOptions(configText());
  const known = options;
  return known.size === 0 ? [] : names.filter((name) => !known.has(name));
}

/** Whether anything tells it. */
export function isConfigKnown(): boolean {
  options ??= enabledOptions(configText());
  return options.size > 0;
}

/** Names of the options of a `.config` that are `y` or `m`. */
export function enabledOptions(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(/^(CONFIG_\w+)=[ym]$/gm)].map(([, name]) => name ?? ""));
}

function configText(): string {
  const places = [
    () => readFileSync(`/boot/config-${release()}`, "utf8"),
    () => gunzipSync(readFileSync("/proc/config.gz")).toString("latin1"),
  ];
  for (const read of places) {
    try {
      return read();
    } catch {}
  }
  return "";
}
