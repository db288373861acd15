/**
 * Loads the modules of an export of this package as a browser would: by their own paths, into a realm that has nothing of Node.
 *
 * What a module imports is read from its compiled text, which imports at the top and from texts alone.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { createContext, Script } from "node:vm";

/** The compiled package: the folder with `src`, `elf` and the rest. */
export const COMPILED: string = fileURLToPath(new URL("../../", import.meta.url));

/** One module. */
export interface Module {
  path: string;
  text: string;
  /** What it imports, as it says it. */
  imports: string[];
}

/** `import … from "x"`, `export … from "x"`, `import "x"`, at the start of a line or behind another statement. */
const IMPORT = /(?:^|;)(?:import|export)\b[^"';]*?\bfrom\s*"([^"]+)"|(?:^|;)import\s*"([^"]+)"/gm;
/** `import("x")`, `require("x")`. */
const LATER = /\b(?:import|require)\s*\(\s*([^)]*)\)/g;

/** The file that Node loads for an export, such as `./btf`. */
export function exportedFile(name: string): string {
  return fileURLToPath(import.meta.resolve(name.replace(/^\./, "ebpf")));
}

/** All modules that one leads to, the first one first; imports that are no files of ours are left as they are. */
export function moduleGraph(entry: string): Map<string, Module> {
  const modules = new Map<string, Module>();
  const waiting = [entry];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (modules.has(path)) continue;
    const text = withoutComments(readFileSync(path, "utf8"));
    const imports = [...text.matchAll(IMPORT)].map(([, from, bare]) => from ?? bare ?? "");
    imports.push(...[...text.matchAll(LATER)].map(([, what]) => what ?? ""));
    modules.set(path, { path, text, imports });
    for (const name of imports)
      if (name.startsWith(".")) waiting.push(resolve(dirname(path), name));
  }
  return modules;
}

/** Comments may hold examples of imports. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
}

/** What a realm of JavaScript has, and what browsers add that these modules may use. */
const GLOBALS = { TextDecoder, TextEncoder };

/** A realm of JavaScript without Node's globals, and the modules that were run in it. */
export class BareRealm {
  readonly #context = createContext({ ...GLOBALS });
  readonly #done: Map<string, Record<string, unknown>> = new Map();

  /** What an expression is in the realm. */
  evaluate(text: string): unknown {
    return new Script(text).runInContext(this.#context);
  }

  /** Runs a module after those that it imports; its exports. */
  load(path: string): Record<string, unknown> {
    const known = this.#done.get(path);
    if (known !== undefined) return known;
    const exports: Record<string, unknown> = {};
    this.#done.set(path, exports);
    const text = withoutComments(readFileSync(path, "utf8"));
    const load = (name: string): Record<string, unknown> => this.load(resolve(dirname(path), name));
    const script = new Script(`(function ($load, $exports) {${asFunction(text)}\n})`, {
      filename: relative(COMPILED, path),
    });
    script.runInContext(this.#context)(load, exports);
    return exports;
  }
}

/** The body of a module as that of a function: what it imports is loaded, what it exports is kept by getters. */
function asFunction(text: string): string {
  const head: string[] = ['"use strict";'];
  let body = text.replace(
    /^import\s+\{([^}]*)\}\s+from\s*("[^"]+");?/gm,
    (_, names: string, from: string) => {
      head.push(`const {${names.replace(/\bas\b/g, ":")}} = $load(${from});`);
      return "";
    },
  );
  body = body.replace(
    /^export\s+\{([^}]*)\}\s+from\s*("[^"]+");?/gm,
    (_, names: string, from: string) => {
      const pairs = listed(names).map(([own, other]) => `${other}: $load(${from}).${own}`);
      head.push(`Object.assign($exports, { ${pairs.join(", ")} });`);
      return "";
    },
  );
  body = body.replace(/^export\s+\*\s+from\s*("[^"]+");?/gm, (_, from: string) => {
    head.push(`Object.assign($exports, $load(${from}));`);
    return "";
  });
  const own: [string, string][] = [];
  body = body.replace(/^export\s+\{([^}]*)\};?/gm, (_, names: string) => {
    own.push(...listed(names));
    return "";
  });
  body = body.replace(
    /^export\s+((?:async\s+)?(?:function\*?|class|const|let)\s+)([\w$]+)/gm,
    (_, what: string, name: string) => {
      own.push([name, name]);
      return what + name;
    },
  );
  // Before the body, since cycles of modules may ask for functions that are there already.
  const getters = own.map(
    ([name, other]) =>
      `Object.defineProperty($exports, "${other}", { enumerable: true, get: () => ${name} });`,
  );
  return [...head, ...getters, body].join("\n");
}

/** `a, b as c` as pairs. */
function listed(names: string): [string, string][] {
  return names
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "")
    .map((name) => {
      const [own = "", other = own] = name.split(/\s+as\s+/);
      return [own, other];
    });
}
