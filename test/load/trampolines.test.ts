import { closeSync, openSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { viewOf } from "../../src/bytes.ts";
import { CollectionSpec } from "../../src/collection.ts";
import type { Program } from "../../src/program.ts";
import { enableStats, objectInfo } from "../../src/sys/bpf.ts";
import { AttachType, ProgramType } from "../../src/uapi.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { TRAMPOLINES, trampolineObstacle } from "../helper/trampolines.ts";
import { activeSecurityModules } from "../links/mounts.ts";

const test = suite("load: trampolines");

function read(name: string): CollectionSpec {
  return CollectionSpec.fromFile(fixturePath(name));
}

/** `run_cnt` of `struct bpf_prog_info`, which counts while statistics are enabled. */
function runs(program: Program): bigint {
  const info = new Uint8Array(224);
  objectInfo(program.fd, info);
  return viewOf(info).getBigUint64(200, true);
}

kernelTest(
  test,
  "fentry and fexit programs of an object see arguments and results, until they are detached",
  TRAMPOLINES,
  async () => {
    await assertNothingLeft(async () => {
      await using bpf = await read("fentry.el.o").load();
      const links = bpf.attach();
      assert.equal(links.skipped, []);
      assert.equal([...links].map(({ kind }) => kind).sort(), ["fentry", "fexit", "fexit"]);
      const values = (): unknown =>
        Object.fromEntries(
          Object.entries(bpf.variables).map(([name, variable]) => [name, variable.get()]),
        );
      // A test run of one makes the kernel call what all of them are attached to.
      bpf.programs["on_entry"]!.run();
      const seen = {
        entries: 1n,
        exits: 1n,
        entry_argument: 1,
        exit_argument: 1,
        exit_result: 2,
        sum: 5,
      };
      assert.equal(values(), seen);
      await links.closeAsync();
      bpf.programs["on_entry"]!.run();
      assert.equal(values(), seen);
    });
  },
);

kernelTest(
  test,
  "an LSM program of an object is asked, until it is detached",
  {
    ...TRAMPOLINES,
    needs: "LSM programs",
    config: "CONFIG_BPF_LSM",
    obstacle: async () =>
      trampolineObstacle() ??
      ((await activeSecurityModules()).includes("bpf")
        ? undefined
        : "the security module bpf is not active (kernel parameter lsm=)"),
  },
  async () => {
    const spec = read("sections.el.o");
    for (const program of Object.values(spec.programs)) {
      program.autoload = program.name === "on_lsm_file_open";
    }
    await using bpf = await spec.load();
    const program = bpf.programs["on_lsm_file_open"]!;
    assert.is(program.type, ProgramType.LSM);
    assert.is(program.attachType, AttachType.LSM_MAC);
    const statistics = enableStats();
    const links = bpf.attach();
    assert.equal(
      [...links].map(({ kind }) => kind),
      ["lsm"],
    );
    for (let i = 0; i < 5; i++) closeSync(openSync("/dev/null", "r"));
    assert.ok(runs(program) >= 5n);
    await links.closeAsync();
    const after = runs(program);
    closeSync(openSync("/dev/null", "r"));
    assert.is(runs(program), after);
    statistics.close();
  },
);

test.run();
