import { suite } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../src/bytes.ts";
import { CoreTarget, relocateProgram } from "../../src/co-re/index.ts";
import { type Case, cases, Types } from "./cases.ts";
import { fromHex } from "./object-builder.ts";

/** The instruction after relocation; undefined where libbpf would refuse the object. */
function relocated({ local, kernel, kind, accessor, before }: Case): string | undefined {
  const object = new Types();
  const type = local(object);
  const types = new Types();
  kernel(types);
  const target = new CoreTarget(types.builder.btf(), { name: "kernel" });
  const code = fromHex(before);
  const relocations = [{ slot: 0, type, accessor, kind }];
  const [result] = relocateProgram(code, true, object.builder.btf(), relocations, target, "test");
  if (result?.outcome === "error" || result?.outcome === "ambiguous") {
    assert.ok(result.message, "a refusal says why");
    return undefined;
  }
  return toHex(code);
}

for (const [about, list] of Object.entries(cases)) {
  const test = suite(`co-re: ${about}`);
  for (const item of list) {
    test(item.name, () => assert.is(relocated(item), item.after));
  }
  test.run();
}
