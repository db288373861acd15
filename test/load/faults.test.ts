/**
 * Loading in which one system call fails, whichever: it ends with an error of ours, or goes on without what failed, and in any
 * case nothing is left open, mapped or pinned.
 */

import { readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CollectionSpec } from "../../src/collection.ts";
import { BpfError } from "../../src/error.ts";
import { withFault } from "../helper/faults.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { isConfigKnown } from "../helper/kernel-config.ts";
import { SLOWNESS } from "../helper/slowness.ts";
import { withMount } from "../links/mounts.ts";

const test = suite("load: faults");
const EAGAIN = 11;
const EINVAL = 22;
const EMFILE = 24;
/** Ways of loading, and what calls fail with. */
const WAYS = [
  ["load", EMFILE],
  ["loadSync", EINVAL],
] as const;
/** More calls than any of the objects takes. */
const MANY = 200;

/** Objects with data sections, maps in maps, program arrays, ring buffers, symbols and values of the kernel, function tables. */
const OBJECTS: readonly (readonly [object: string, config?: string])[] = [
  ["globals.el.o"],
  ["map-in-map.el.o"],
  ["prog-array.el.o"],
  ["maps.el.o"],
  ["kconfig.el.o"],
  ["struct-ops.el.o", "CONFIG_BPF_JIT"],
];

function read(object: string): CollectionSpec {
  return CollectionSpec.fromFile(fixturePath(object));
}

for (const [object, config] of OBJECTS) {
  const needs =
    config === undefined
      ? undefined
      : { needs: "struct_ops", since: process.arch === "arm64" ? "6.0" : "5.6", config };
  kernelTest(test, `${object}: each system call of loading may fail`, needs, async () => {
    if (object === "kconfig.el.o" && !isConfigKnown()) {
      assert.throws(() => read(object).loadSync(), /configuration is not at hand/);
      return;
    }
    // What is opened once a process is open now.
    read(object).loadSync().close();
    let failures = 0;
    // Each call takes a whole load.
    for (const [load, errno] of SLOWNESS > 1 ? WAYS.slice(0, 1) : WAYS) {
      let number = 0;
      for (; number < MANY; number++) {
        let error: unknown;
        let calls = "";
        await assertNothingLeft(async () => {
          const { failed } = await withFault(number, errno, async () => {
            try {
              (await read(object)[load]()).close();
            } catch (thrown) {
              error = thrown;
            }
          });
          calls = failed ?? "";
        });
        if (calls === "") break;
        if (error === undefined) continue;
        failures++;
        assert.instance(error, BpfError, `call ${number}, ${calls}: ${String(error)}`);
      }
      assert.ok(number > 2 && number < MANY, `${number} calls`);
    }
    assert.ok(failures > 0, "nothing failed");
  });
}

kernelTest(
  test,
  "edge 55: a load that the kernel gives up for a signal is tried again",
  async () => {
    const spec = read("minimal.el.o");
    for (const load of ["load", "loadSync"] as const) {
      let loads = 0;
      for (let number = 0; ; number++) {
        let loaded = false;
        const { failed } = await withFault(number, EAGAIN, async () => {
          (await spec[load]()).close();
          loaded = true;
        });
        assert.ok(loaded);
        if (failed === undefined) break;
        loads++;
      }
      assert.ok(loads > 0);
    }
  },
);

kernelTest(test, "maps.el.o: pins are taken back wherever loading fails", async () => {
  await withMount("bpf", async (folder) => {
    // Some kernels put something there themselves.
    const own = readdirSync(folder);
    const load = () => {
      const spec = read("maps.el.o");
      for (const map of Object.values(spec.maps)) if (map.data === undefined) map.pinning = 1;
      return spec.load({ pinPath: folder });
    };
    for (let number = 0; number < MANY; number++) {
      let loaded = false;
      const { failed } = await withFault(number, EMFILE, async () => {
        try {
          (await load()).close();
          loaded = true;
        } catch (error) {
          assert.instance(error, BpfError, String(error));
        }
      });
      if (failed === undefined) return;
      const pins = readdirSync(folder).filter((name) => !own.includes(name));
      if (!loaded) assert.equal(pins, [], `call ${number}, ${failed}`);
      // One that went on without what failed has its pins.
      else for (const pin of pins) unlinkSync(join(folder, pin));
    }
  });
});

test.run();
