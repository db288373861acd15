import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { requireOptions } from "./build.ts";
import { KERNELS } from "./matrix.ts";
import { projectFolder } from "./project.ts";

const test = suite("vm/build");

test("an option that was left out is named", () => {
  const wanted = '# a comment\nCONFIG_NET=y\nCONFIG_LOCALVERSION="-x"\n';
  requireOptions(wanted, 'CONFIG_LOCALVERSION="-x"\nCONFIG_A=y\nCONFIG_NET=y\n');
  const missing = "CONFIG_NET=m\n# CONFIG_LOCALVERSION is not set\n";
  assert.throws(
    () => requireOptions(wanted, missing),
    /cannot have CONFIG_NET=y, CONFIG_LOCALVERSION="-x"$/,
  );
});

test("a kernel to compile is run only when it is named, and its options ask for what its tests need", () => {
  const built = KERNELS.filter((kernel) => kernel.built !== undefined);
  assert.ok(built.length > 0);
  for (const { built: file, isDefault, tests, name } of built) {
    assert.is(isDefault, false, name);
    const options = readFileSync(join(projectFolder, "test", "vm", file!), "utf8");
    const needed = readFileSync(join(projectFolder, "test", `${tests}.test.ts`), "utf8");
    for (const [option] of needed.matchAll(/CONFIG_[A-Z0-9_]+/g)) {
      assert.ok(options.includes(`${option}=y\n`), option);
    }
  }
});

test.run();
