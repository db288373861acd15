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
    assert.ok(kinds.includes("tp_btf"), kinds.join());
    const none = await ebpfHere(["list", "tracepoint:no_such:*"]);
    assert.equal([none.code, none.stdout], [1, ""]);
    assert.is(none.stderr, "nothing matches tracepoint:no_such:*; looked through: tracepoint\n");
    const nowhere = await ebpfHere(["list", "no_such_name"]);
    assert.equal([nowhere.code, nowhere.stdout], [1, ""]);
    assert.match(nowhere.stderr, /^nothing matches no_such_name; .*: tracepoint, .*tp_btf, iter/m);
    assert.is((await ebpfHere(["list"])).code, 2);
    assert.is((await ebpfHere(["list", "x:y"])).code, 2);
    const damaged = await ebpfHere(["list", "uprobe:/etc/passwd:*"]);
    assert.match(damaged.stderr, /^list hooks of \/etc\/passwd: reading the ELF header: /);
  },
);

test.run();
