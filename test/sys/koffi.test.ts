/**
 * The short way to koffi: the same binary that koffi finds by itself, or none.
 */

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type KoffiPlace, requireKoffi, shortWay } from "../../src/sys/koffi.ts";

const test = suite("sys/koffi");
const MUSL = "/lib/ld-musl-x86_64.so.1";
const exists = (path: string): boolean => path !== MUSL && existsSync(path);

/** Where the tests are, told to be on another machine. */
function way(where: Partial<KoffiPlace> = {}): string | undefined {
  return shortWay({
    platform: "linux",
    architecture: "x64",
    from: import.meta.url,
    exists,
    ...where,
  });
}

test("the way leads to what koffi loads by itself", () => {
  const require = createRequire(import.meta.url);
  const path = shortWay({
    platform: process.platform,
    architecture: process.arch,
    from: import.meta.url,
    exists: existsSync,
  });
  const known = process.platform === "linux" && process.arch === "x64" && !existsSync(MUSL);
  if (known) assert.type(path, "string");
  const found = requireKoffi(import.meta.url) as object;
  const koffi = require("koffi") as { default: object };
  assert.is(path === undefined ? koffi : koffi.default, found);
});

test("where it is not clear which binary it is, koffi finds it", () => {
  assert.is(way({ platform: "darwin" }), undefined);
  assert.is(way({ architecture: "riscv64" }), undefined);
  assert.is(way({ exists: (path) => path === MUSL || existsSync(path) }), undefined, "musl");
  assert.is(way({ from: pathToFileURL("/nowhere/module.js").href }), undefined, "no koffi");
  const noBinary = (path: string): boolean => !path.endsWith(".node") && exists(path);
  assert.is(way({ exists: noBinary }), undefined, "a binary that is not installed");
});

test.run();
