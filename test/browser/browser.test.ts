/**
 * What of the package runs in a browser: `ebpf/elf`, `ebpf/btf` and `ebpf/asm`, and the reading, relocating and checking of objects behind
 * the front door.
 */

import { readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join, relative } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fixturePath } from "../helper/fixtures.ts";
import { BareRealm, COMPILED, exportedFile, type Module, moduleGraph } from "./modules.ts";

const test = suite("browser");

/** The exports that promise to need no Node. */
const EXPORTS = ["./elf", "./btf", "./asm"];
/** Parts that promise the same (docs/architecture.md, lines 1 to 4), some of which have no export of their own yet. */
const PARTS = {
  elf: "elf/index.js",
  btf: "btf/index.js",
  asm: "src/asm/index.js",
  spec: "src/spec/index.js",
  link: "src/relocate/link.js",
  coRe: "src/co-re/index.js",
};

const entries: Readonly<Record<string, string>> = Object.fromEntries([
  ...EXPORTS.map((name) => [name, exportedFile(name)]),
  ...Object.values(PARTS).map((name) => [name, join(COMPILED, name)]),
]);

/** Globals of Node that browsers lack. */
const NODE_GLOBALS =
  /(?<![.\w$])(Buffer|process|require|__dirname|__filename|setImmediate|clearImmediate)\b(?!\s*:)/;

/** The text of a module without what it says to people. */
function codeOf({ text }: Module): string {
  return text
    .replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, '""')
    .replace(/`(?:[^`\\$]|\\.|\$(?!\{))*`/g, "``");
}

for (const [name, entry] of Object.entries(entries)) {
  test(`${name} leads to no module of Node, no package and no global of Node`, () => {
    const graph = moduleGraph(entry);
    assert.ok(graph.size > 1, `${graph.size} modules`);
    for (const module of graph.values()) {
      const where = relative(COMPILED, module.path);
      for (const imported of module.imports) {
        assert.ok(imported.startsWith("."), `${where} imports ${imported}`);
        assert.not(builtinModules.includes(imported), `${where} imports ${imported}`);
      }
      assert.not.match(where, /^(src\/sys|maps|links|node_modules)\b/);
      const code = codeOf(module);
      const found = NODE_GLOBALS.exec(code.replace(/\btypeof \w+/g, ""));
      assert.is(
        found?.[1],
        undefined,
        `${where}: ${code.slice(found?.index, (found?.index ?? 0) + 60)}`,
      );
    }
  });
}

test("the search sees what it looks for", () => {
  const index = moduleGraph(exportedFile("."));
  const imported = [...index.values()].flatMap(({ imports }) => imports);
  assert.ok(imported.some((name) => name.startsWith("node:")));
  assert.ok(
    imported.some((name) => name.includes("koffi")),
    "koffi is loaded by a call of require",
  );
  assert.match("x = process.env", NODE_GLOBALS);
  assert.match("Buffer.from(x)", NODE_GLOBALS);
  assert.not.match("this.process(x)", NODE_GLOBALS);
});

/** The exports of a module that the test uses; types are those of the package. */
interface Loaded {
  elf: typeof import("../../elf/index.ts");
  btf: typeof import("../../btf/index.ts");
  asm: typeof import("../../src/asm/index.ts");
  spec: typeof import("../../src/spec/index.ts");
  coRe: typeof import("../../src/co-re/index.ts");
}

test("in a realm without Node's globals an object is read, relocated and printed", () => {
  const realm = new BareRealm();
  for (const name of ["Buffer", "process", "require", "setImmediate", "global"]) {
    assert.is(realm.evaluate(`typeof ${name}`), "undefined", name);
  }
  const load = (name: string): never => realm.load(entries[name]!) as never;
  const { elf, btf, asm, spec, coRe }: Loaded = {
    elf: load(PARTS.elf),
    btf: load(PARTS.btf),
    asm: load(PARTS.asm),
    spec: load(PARTS.spec),
    coRe: load(PARTS.coRe),
  };
  // Arrays of bytes are those of the realm, as in a browser.
  const Bytes = realm.evaluate("Uint8Array") as Uint8ArrayConstructor;
  const object = Bytes.from(readFileSync(fixturePath("core-fields.el.o")));
  const kernel = btf.Btf.parse(Bytes.from(readFileSync(fixturePath("btf/6.1.btf"))));

  const file = elf.ElfFile.parse(object);
  const types = btf.Btf.parse(file.data(file.section(".BTF")!));
  const id = types.find("task_struct")!;
  assert.is(btf.typeName(types, id), "struct task_struct");
  const codec = btf.codecOf(types, id);
  assert.type(codec.decode(new Bytes(codec.size)), "object");

  const { programs } = spec.parseObject(object);
  const target = new coRe.CoreTarget(kernel);
  let found = 0;
  for (const { name, instructions, coreRelocations } of Object.values(programs)) {
    const results = coRe.relocateProgram(instructions, true, types, coreRelocations, target, name);
    found += results.filter(({ outcome }) => outcome === "found").length;
    assert.ok(asm.decodeAll(instructions, true).length > 1);
  }
  assert.ok(found > 20, `${found} relocations were found`);
});

test.run();
