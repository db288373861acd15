import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ebpfHere } from "../helper/in-process.ts";
import { hostTest } from "../helper/kernel.ts";

const test = suite("cli: list");

hostTest(
  test,
  "a pattern without a kind looks everywhere; nothing found is exit code 1",
  async () => {
    const found = await ebpfHere(["list", "--json", "*sched_switch"]);
    const kinds = (JSON.parse(found.stdout) as { kind: string }[]).map(({ kind }) => kind);
    assert.ok(kinds.includes("tracepoint") && kinds.includes("rawtracepoint"), kinds.join());
    assert.not(kinds.includes("tp_btf"));
    const none = await ebpfHere(["list", "tracepoint:no_such:*"]);
    assert.equal([none.code, none.stdout], [1, ""]);
    assert.is((await ebpfHere(["list"])).code, 2);
    assert.is((await ebpfHere(["list", "x:y"])).code, 2);
  },
);

test.run();
