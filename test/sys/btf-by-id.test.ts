import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BtfBuilder, Kind } from "../../btf/index.ts";
import { btfLoad } from "../../src/sys/bpf.ts";
import { objectInfo } from "../../src/sys/bpf-object.ts";
import { btfById } from "../../src/sys/btf-by-id.ts";
import { BTF_INFO } from "../../src/sys/btf-object.ts";
import { kernelBtf } from "../../src/sys/kernel-btf.ts";
import { kernelTest } from "../helper/kernel.ts";
import { codeOf } from "./programs.ts";

const test = suite("sys: BTF by id");

kernelTest(test, "types that were loaded are read back", () => {
  const builder = new BtfBuilder();
  const signs = { signed: true, char: false, bool: false };
  builder.add({ kind: Kind.INT, name: "int", size: 4, ...signs, bitOffset: 0, bits: 32 });
  builder.add({ kind: Kind.TYPEDEF, name: "number_by_id", type: 1 });
  const { fd } = btfLoad(builder.bytes(), { what: "types of a test" });
  try {
    const info = new Uint8Array(16);
    objectInfo(fd, info);
    const id = new DataView(info.buffer).getUint32(BTF_INFO.id, true);
    const btf = btfById(id);
    assert.is(btf.base, undefined);
    assert.equal([...btf], [...builder.btf()]);
  } finally {
    fd.close();
  }
});

kernelTest(test, "the kernel's own", { needs: "ids of the kernel's types", since: "5.11" }, () => {
  // The first BTF of a kernel is its own, made while it starts.
  const btf = btfById(1);
  assert.is(btf.typeCount, kernelBtf().typeCount);
  assert.is(btf.name(btf.find("task_struct", Kind.STRUCT)!), "task_struct");
});

kernelTest(test, "an id that is none has its code", () => {
  assert.is(
    codeOf(() => btfById(0x7fff_fff0)),
    "ENOENT",
  );
});

test.run();
