import { spawnSync } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CollectionSpec } from "../../src/collection.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";

const attaching = suite("load: attach by section");

function read(name: string): CollectionSpec {
  return CollectionSpec.fromFile(fixturePath(name));
}

kernelTest(
  attaching,
  "tracepoint, raw tracepoint and BTF tracepoint programs run, and stop",
  async () => {
    await assertNothingLeft(async () => {
      for (const name of ["raw-tracepoint.el.o", "tp-btf.el.o"]) {
        const spec = read(name);
        await using bpf = await spec.load();
        const links = bpf.attach();
        assert.ok(links.size > 0, name);
        assert.equal(links.skipped, []);
        const values = (): unknown[] =>
          Object.values(bpf.variables).map((variable) => variable.get());
        const before = values();
        spawnSync("true");
        assert.not.equal(values(), before, `${name}: nothing was counted`);
        await links.closeAsync();
        const after = values();
        spawnSync("true");
        assert.equal(values(), after, `${name}: it goes on after detaching`);
      }
    });
  },
);

kernelTest(
  attaching,
  "uprobes: the one whose section names a place is attached, the others are skipped with a reason",
  async () => {
    const spec = read("uprobe.el.o");
    spec.variables["target_pid"]!.set(process.pid);
    await using bpf = await spec.load();
    await using links = bpf.attach();
    assert.equal([...links.byProgram.keys()], ["on_getppid"]);
    assert.equal(links.skipped.map(({ program }) => program).sort(), ["on_entry", "on_return"]);
    for (const { reason } of links.skipped) assert.match(reason, /names no target/);
    void process.ppid;
    assert.ok((bpf.variables["libc_calls"]!.get() as bigint) > 0n);
  },
);

kernelTest(
  attaching,
  "programs without a place in their section are skipped, or an error is thrown",
  async () => {
    const spec = read("raw-tracepoint.el.o");
    for (const program of Object.values(spec.programs)) program.attachTo = "no_such_tracepoint";
    await using bpf = await spec.load();
    assert.throws(() => bpf.attach(), /no_such_tracepoint/);
    const links = bpf.attach({ onError: "skip" });
    assert.is(links.size, 0);
    assert.ok(links.skipped.length > 0);
    for (const { error, reason } of links.skipped) {
      assert.instance(error, Error);
      assert.match(reason, /no_such_tracepoint/);
    }
  },
);

attaching.run();
