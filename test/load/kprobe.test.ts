import { closeSync, openSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CollectionSpec } from "../../src/collection.ts";
import { ProgramType } from "../../src/uapi.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { KPROBES } from "../helper/kprobes.ts";

const test = suite("load: kprobe");

function read(): CollectionSpec {
  const spec = CollectionSpec.fromFile(fixturePath("kprobe.el.o"));
  spec.variables["target_pid"]!.set(process.pid);
  return spec;
}

kernelTest(test, "kprobe programs of an object load", async () => {
  await assertNothingLeft(async () => {
    await using bpf = await read().load();
    for (const { name, type } of Object.values(bpf.programs)) {
      assert.is(type, ProgramType.KPROBE, name);
    }
    assert.is(Object.keys(bpf.programs).length, 4);
  });
});

kernelTest(
  test,
  "kprobe, kretprobe and ksyscall programs of an object run, until they are detached",
  KPROBES,
  async () => {
    await assertNothingLeft(async () => {
      await using bpf = await read().load();
      const links = bpf.attach();
      assert.equal(links.skipped, []);
      assert.equal([...links].map(({ kind }) => kind).sort(), [
        "kprobe",
        "kprobe",
        "kprobe",
        "kretprobe",
      ]);
      /** Runs of each program while three files are opened and the parent is asked for twice. */
      const runs = (): bigint[] => {
        const before = counts();
        for (let i = 0; i < 3; i++) closeSync(openSync("/dev/null", "r"));
        for (let i = 0; i < 2; i++) assert.ok(process.ppid >= 0);
        return counts().map((count, index) => count - before[index]!);
      };
      const counts = (): bigint[] =>
        ["entries", "returns", "calls", "aliases"].map(
          (name) => bpf.variables[name]!.get() as bigint,
        );
      assert.equal(runs(), [3n, 3n, 2n, 2n]);
      await links.closeAsync();
      assert.equal(runs(), [0n, 0n, 0n, 0n]);
    });
  },
);

test.run();
