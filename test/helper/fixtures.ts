/**
 * Where the fixtures are, and what their names say.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The path of a file in `fixtures`. */
export function fixturePath(name: string): string {
  return fileURLToPath(import.meta.resolve(`#fixtures/${name}`));
}

/** The bytes of a file in `fixtures`. */
export function readFixture(name: string): Uint8Array {
  return readFileSync(fixturePath(name));
}

/** Names of all objects in `fixtures`, such as `calls.clang19.eb.o`. */
export function fixtureObjects(): string[] {
  return readdirSync(new URL(".", import.meta.resolve("#fixtures/Makefile")))
    .filter((name) => name.endsWith(".o"))
    .sort();
}
