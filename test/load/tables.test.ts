/**
 * Function tables of newer subsystems, through the front door: a scheduler runs and goes; what a kernel does not have is named.
 */

import { existsSync, readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { StructOpsMap } from "../../maps/index.ts";
import { CollectionSpec } from "../../src/collection.ts";
import { UnsupportedError } from "../../src/error.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { isConfigKnown, missingConfig } from "../helper/kernel-config.ts";
import { eventually } from "../helper/process.ts";

const test = suite("load: tables of newer subsystems");
const STATE = "/sys/kernel/sched_ext/";

interface Tables {
  programs: Record<"on_init" | "on_running" | "on_exit" | "on_report", unknown>;
  maps: Record<"scheduler" | "device", StructOpsMap>;
  variables: { starts: bigint; switches: bigint; ends: bigint; reports: bigint };
}

/** The object with one of its tables. */
function read(wanted: keyof Tables["maps"]): CollectionSpec<Tables> {
  const spec = CollectionSpec.fromFile<Tables>(fixturePath("tables.el.o"));
  for (const name of ["scheduler", "device"] as const) {
    spec.maps[name].autocreate = name === wanted;
  }
  for (const [name, program] of Object.entries(spec.programs)) {
    program.autoload = (name === "on_report") === (wanted === "device");
  }
  return spec;
}

function state(name: string): string {
  return readFileSync(STATE + name, "utf8").trim();
}

kernelTest(
  test,
  "sched_ext: tasks are scheduled with the table while its link is open",
  { needs: "sched_ext", since: "6.12", config: "CONFIG_SCHED_CLASS_EXT" },
  async () => {
    await assertNothingLeft(async () => {
      await using bpf = await read("scheduler").load();
      const { starts, switches, ends } = bpf.variables;
      {
        await using links = bpf.attach();
        assert.equal([...links.byMap.keys()], ["scheduler"]);
        assert.equal(links.skipped, []);
        assert.is(links.byMap.get("scheduler")?.isKernelLink, true);
        assert.is(state("state"), "enabled");
        assert.is(state("root/ops"), "ebpf_counting");
        assert.is(starts.get(), 1n);
        assert.ok(await eventually(() => switches.get() > 10n));
        assert.is(ends.get(), 0n);
      }
      assert.ok(await eventually(() => state("state") === "disabled"));
      assert.is(existsSync(`${STATE}root`), false);
      assert.is(ends.get(), 1n);
      const seen = switches.get();
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.is(switches.get(), seen);
    });
  },
);

for (const [table, type, config, since] of [
  ["scheduler", "sched_ext_ops", "CONFIG_SCHED_CLASS_EXT", "6.12"],
  ["device", "hid_bpf_ops", "CONFIG_HID_BPF", "6.11"],
] as const) {
  const needs = { needs: "kernel BTF", config: "CONFIG_DEBUG_INFO_BTF" };
  kernelTest(test, `${type}: a kernel that has it takes it, others are told`, needs, async () => {
    await assertNothingLeft(() => {
      let error: unknown;
      try {
        read(table).loadSync().close();
      } catch (caught) {
        error = caught;
      }
      if (missingConfig([config]).length === 0 && isConfigKnown()) {
        assert.is(error, undefined);
        return;
      }
      assert.instance(error, UnsupportedError);
      const { message, since: said } = error as UnsupportedError;
      assert.ok(message.includes(`no struct bpf_struct_ops_${type}`), message);
      assert.ok(message.endsWith(`Linux ${since} has it with ${config}`), message);
      assert.is(said, since);
    });
  });
}

kernelTest(test, "hid_bpf_ops: the number of the device is a member to be set", () => {
  const spec = read("device");
  const { structOps } = spec.maps.device;
  assert.equal({ ...structOps?.functions() }, { hid_device_event: "on_report" });
  structOps!.members["hid_id"] = 7;
  assert.is(new DataView(structOps!.bytes().slice().buffer).getInt32(0, true), 7);
});

test.run();
