import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Kind } from "../../btf/index.ts";
import { viewOf } from "../../src/bytes.ts";
import { objectInfo } from "../../src/sys/bpf.ts";
import { openKernelBtf } from "../../src/sys/btf-object.ts";
import {
  dropKernelBtf,
  kernelBtf,
  mapFile,
  moduleBtf,
  moduleBtfs,
  moduleNames,
  readWhole,
} from "../../src/sys/kernel-btf.ts";
import { kernelTest } from "../helper/kernel.ts";
import { runChild } from "./child.ts";
import { codeOf, isAtLeast } from "./programs.ts";

const test = suite("sys/kernel-btf");

kernelTest(test, "the kernel's types are shared until dropped, and opened by name", () => {
  const btf = kernelBtf();
  assert.is(kernelBtf(), btf);
  assert.type(btf.find("task_struct", Kind.STRUCT), "number");
  dropKernelBtf();
  assert.is.not(kernelBtf(), btf);
  // The old one still reads its memory.
  assert.is(btf.name(btf.find("task_struct", Kind.STRUCT) ?? 0), "task_struct");
  const vmlinux = openKernelBtf("vmlinux");
  if (vmlinux !== undefined) {
    // btf_size of struct bpf_btf_info.
    const info = new Uint8Array(16);
    objectInfo(vmlinux, info);
    assert.is(viewOf(info).getUint32(8, true), btf.bytes.length);
    vmlinux.close();
  }
  assert.is(openKernelBtf("no_such_module"), undefined);
});

kernelTest(test, "types of modules stand on the kernel's; a missing module is named", () => {
  for (const name of moduleNames().slice(0, 2)) {
    const btf = moduleBtf(name);
    assert.is(btf.base, kernelBtf());
    assert.is(moduleBtf(name), btf);
  }
  assert.equal(
    moduleBtfs().map(({ name }) => name),
    moduleNames(),
  );
  for (const name of ["no_such_module", "../btf/vmlinux", "vmlinux", ""]) {
    assert.is(
      codeOf(() => moduleBtf(name)),
      "ENOENT",
      name,
    );
  }
});

kernelTest(
  test,
  "mapped or read, the bytes are the same, and another file is read whole too",
  () => {
    const path = "/sys/kernel/btf/vmlinux";
    const bytes = readWhole(path);
    assert.ok(Buffer.from(bytes).equals(readFileSync(path)));
    const mapped = mapFile(path);
    if (mapped === undefined) assert.not(isAtLeast(6, 16));
    else assert.ok(Buffer.from(bytes).equals(mapped));
    // Files of proc say that they are empty.
    assert.ok(Buffer.from(readWhole("/proc/self/maps")).toString().includes("[stack]"));
  },
);

kernelTest(test, "dropped types are unmapped when nobody uses them", async () => {
  const result = await runChild(
    `
    import { readFileSync } from "node:fs";
    const { dropKernelBtf, kernelBtf } = await sys("kernel-btf");
    const mappings = () => readFileSync("/proc/self/maps", "utf8").match(/btf\\/vmlinux/g)?.length ?? 0;
    let kept = kernelBtf();
    const first = mappings();
    dropKernelBtf();
    for (let i = 0; i < 5; i++) { gc(); await new Promise((resolve) => setTimeout(resolve, 10)); }
    const used = mappings();
    const name = kept.name(kept.find("task_struct"));
    kept = undefined;
    for (let i = 0; i < 1000 && mappings() > 0; i++) { gc(); await new Promise((resolve) => setTimeout(resolve, 10)); }
    console.log(JSON.stringify({ first, used, last: mappings(), name }));
  `,
    { flags: ["--expose-gc"] },
  );
  assert.is(result.status, 0, result.stderr);
  const { first, used, last, name } = JSON.parse(result.stdout);
  assert.equal([used, last, name], [first, 0, "task_struct"]);
  if (isAtLeast(6, 16)) assert.is(first, 1);
});

test.run();
