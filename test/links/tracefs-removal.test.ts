import { createHook } from "node:async_hooks";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  removeTracefsProbe,
  removeTracefsProbeSoon,
  writeCommand,
} from "../../links/tracefs-removal.ts";
import { tracefs } from "../../src/sys/paths.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { isSyscall } from "./errors.ts";
import { writeTargetProgram } from "./target-program.ts";

const test = suite("links/tracefs-removal");
const LIST = "uprobe_events";
/** What the names of this run's events begin with. */
const OWN = `ebpf/probe_${process.pid}_${randomUUID().slice(-12)}`;

/** Makes events that nobody has open; their names. */
function makeProbes(path: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const name = `${OWN}${index}`;
    writeCommand(`${tracefs()}/${LIST}`, `p:${name} ${path}:0x40`, "put a probe");
    return name;
  });
}

function left(): string[] {
  const text = readFileSync(`${tracefs()}/${LIST}`, "utf8");
  return text.split("\n").filter((line) => line.includes(OWN));
}

kernelTest(test, "many are removed together, though one of them has gone", async () => {
  await assertNothingLeft(async () => {
    using target = writeTargetProgram();
    const names = makeProbes(target.path, 4);
    let files = 0;
    const hook = createHook({ init: (_id, type) => void (type === "FILEHANDLE" && files++) });
    hook.enable();
    const removal = names.map((name) => removeTracefsProbeSoon(LIST, name, name));
    await Promise.all(removal).finally(() => hook.disable());
    assert.equal([files, left()], [1, []]);

    const again = makeProbes(target.path, 4);
    removeTracefsProbe(LIST, again[1] ?? "");
    assert.is(left().length, 3);
    await Promise.all(again.map((name) => removeTracefsProbeSoon(LIST, name, name)));
    assert.equal(left(), []);
    removeTracefsProbe(LIST, again[1] ?? "");
  });
});

kernelTest(test, "what tracefs does not take is an error", () => {
  const command = (): void => writeCommand(`${tracefs()}/${LIST}`, "nonsense", "say nonsense");
  assert.throws(command, isSyscall("EINVAL", /^say nonsense in .*uprobe_events: EINVAL/));
});

test.run();
