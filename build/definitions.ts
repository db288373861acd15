/**
 * Turns imports from the list of a folder's exports (`btf/index.ts`) into imports from the modules that define them.
 *
 * A module that imports one function from such a list reaches all that the list names, and esbuild puts into a file what its
 * entries reach, needed or not.
 *
 * @module
 */

import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

/** `import { a, type B } from "./folder/index.ts"`, on one line or several. */
const IMPORT = /^import \{([^}]*)\} from "(\.[^"]*\/index\.ts)";$/gm;
/** `export { a, type B } from "./a.ts"` of a list, or `export * from "./a.ts"`. */
const LISTED = /^export (?:\{([^}]*)\}|\*) from "(\.[^"]*)";$/gm;
/** `export function a`, and what else a module defines. */
const DEFINED = /^export (?:abstract |async )?(?:class|const|function\*?) (\w+)/gm;

/** The modules behind the lists of a tree of sources. */
export class Definitions {
  /** By the path of a list, and then by name. */
  readonly #lists: Map<string, ReadonlyMap<string, string>> = new Map();

  /** The text of the module at `path` with imports by which it reaches no more than it needs, and as many lines as before. */
  redirect(path: string, text: string): string {
    return text.replace(IMPORT, (statement, names: string, from: string) => {
      const list = join(dirname(path), from);
      const byModule = new Map<string, string[]>();
      for (const name of values(names)) {
        const module = this.#listOf(list).get(name.split(" as ")[0]!);
        if (module === undefined) throw new Error(`${path}: ${name} is not listed in ${list}`);
        const wanted = byModule.get(module);
        if (wanted === undefined) byModule.set(module, [name]);
        else wanted.push(name);
      }
      const imports = [...byModule].map(
        ([module, wanted]) =>
          `import { ${wanted.join(", ")} } from "./${relative(dirname(path), module)}";`,
      );
      return imports.join(" ") + "\n".repeat(statement.split("\n").length - 1);
    });
  }

  #listOf(path: string): ReadonlyMap<string, string> {
    let list = this.#lists.get(path);
    if (list === undefined) {
      list = listIn(path);
      this.#lists.set(path, list);
    }
    return list;
  }
}

/** Where each name is defined that the list at `path` gives. */
function listIn(path: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, names, from = ""] of readFileSync(path, "utf8").matchAll(LISTED)) {
    const module = join(dirname(path), from);
    if (names === undefined) {
      for (const [, name = ""] of readFileSync(module, "utf8").matchAll(DEFINED)) {
        found.set(name, module);
      }
    } else {
      for (const name of values(names)) found.set(name.split(" as ").at(-1)!, module);
    }
  }
  return found;
}

/** The names of a clause that are no types. */
function values(clause: string): string[] {
  const names = clause.split(",").map((name) => name.trim());
  return names.filter((name) => name !== "" && !name.startsWith("type "));
}
