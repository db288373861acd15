import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ProbeGroup } from "../../links/probe-group.ts";
import { CollectionSpec } from "../../src/collection.ts";
import type { FeatureAnswer } from "../../src/features/index.ts";
import { attachTypeHere } from "../../src/load-attach-type.ts";
import { AttachType } from "../../src/uapi.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { isOlderThan, type KernelNeeds, kernelTest } from "../helper/kernel.ts";
import { missingConfig } from "../helper/kernel-config.ts";
import { KPROBES } from "../helper/kprobes.ts";
import { SLOWNESS } from "../helper/slowness.ts";
import { writeTargetProgram } from "../links/target-program.ts";

const test = suite("load: many places");
/** Options for a process that ends at once. */
const ENDS_AT_ONCE = { input: "", timeout: 60_000 * SLOWNESS };
const UPROBES: KernelNeeds = { needs: "uprobes", config: "CONFIG_UPROBE_EVENTS" };

/** An object with one program, for many places. */
function read(attachType: number, prefix: string, attachTo: string): CollectionSpec {
  const spec = CollectionSpec.fromFile(fixturePath("kprobe.el.o"));
  for (const program of Object.values(spec.programs)) program.autoload = false;
  const section = `${prefix}/${attachTo}`;
  Object.assign(spec.programs["on_open"]!, { autoload: true, section, attachTo, attachType });
  return spec;
}

test("a program is loaded for what the kernel has links to", () => {
  const { TRACE_KPROBE_MULTI, TRACE_UPROBE_MULTI, TRACE_KPROBE_SESSION, XDP } = AttachType;
  const asked: string[] = [];
  const attachTypes = (state: FeatureAnswer["state"]) =>
    [TRACE_KPROBE_MULTI, TRACE_UPROBE_MULTI, TRACE_KPROBE_SESSION, XDP].map((attachType) =>
      attachTypeHere({ attachType }, (name) => {
        asked.push(name);
        return { state } as FeatureAnswer;
      }),
    );
  assert.equal(attachTypes("unsupported"), [0, 0, TRACE_KPROBE_SESSION, XDP]);
  assert.equal(asked, ["kprobe_multi", "uprobe_multi"]);
  const all = [TRACE_KPROBE_MULTI, TRACE_UPROBE_MULTI, TRACE_KPROBE_SESSION, XDP];
  assert.equal(attachTypes("supported"), all);
  assert.equal(attachTypes("unknown"), all);
});

for (const forced of [false, true]) {
  const how = forced ? "with a probe of each" : "as the kernel can";
  kernelTest(test, `kprobe.multi of an object, ${how}`, KPROBES, async () => {
    await assertNothingLeft(async () => {
      const attachType = forced ? 0 : AttachType.TRACE_KPROBE_MULTI;
      const spec = read(attachType, "kprobe.multi", "vfs_ope*");
      spec.variables["target_pid"]!.set(process.pid);
      await using bpf = await spec.load();
      const links = bpf.attach();
      const link = links.byProgram.get("on_open");
      assert.is(link?.kind, "kprobe.multi");
      // Some kernels know the links and were built without.
      const lacksLinks = isOlderThan("5.18") || missingConfig(["CONFIG_FPROBE"]).length > 0;
      assert.is(link instanceof ProbeGroup, forced || lacksLinks);
      closeSync(openSync("/dev/null", "r"));
      const last = bpf.variables["entries"]!.get() as bigint;
      assert.ok(last > 0n);
      await links.closeAsync();
      closeSync(openSync("/dev/null", "r"));
      assert.is(bpf.variables["entries"]!.get(), last);
    });
  });

  kernelTest(test, `uprobe.multi of an object, ${how}`, UPROBES, async () => {
    using target = writeTargetProgram();
    await assertNothingLeft(async () => {
      const attachType = forced ? 0 : AttachType.TRACE_UPROBE_MULTI;
      await using bpf = await read(attachType, "uprobe.multi", `${target.path}:probe_*`).load();
      const links = bpf.attach();
      const link = links.byProgram.get("on_open");
      assert.is(link?.kind, "uprobe.multi");
      assert.is(link instanceof ProbeGroup, forced || isOlderThan("6.6"));
      spawnSync(target.path, ENDS_AT_ONCE);
      assert.is(bpf.variables["entries"]!.get(), 3n);
      await links.closeAsync();
      spawnSync(target.path, ENDS_AT_ONCE);
      assert.is(bpf.variables["entries"]!.get(), 3n);
    });
  });
}

test.run();
