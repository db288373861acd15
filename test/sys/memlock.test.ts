import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isOlderThan, kernelTest } from "../helper/kernel.ts";
import { runChild } from "./child.ts";

const test = suite("sys/memlock");

/** Makes BPF objects of 1 MiB in a process that may lock 64 KiB, and prints its limit afterwards. */
const SCRIPT = `
import { readFileSync } from "node:fs";
const { native } = await sys("ffi");
const { mapCreate, programLoad, programLoadAsync } = await sys("bpf");
const limit = new BigUint64Array([65536n, 65536n]);
const set = native().prlimit(0, 8, native().address(limit.buffer), 0);
if (set !== 0) throw new Error("prlimit: errno " + native().errno());
const instructions = new Uint8Array(16);
instructions.set([0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95]);
const program = { type: 1, license: "GPL", instructions };
const make = {
  map: () => mapCreate({ type: 2, keySize: 4, valueSize: 1 << 20, maxEntries: 1 }, "map test"),
  loads: async () => {
    const fds = [];
    // One program takes a page: the limit is reached while some are under way.
    for (let round = 0; round < 10; round++) {
      const results = await Promise.all(Array.from({ length: 4 }, () => programLoadAsync(program)));
      fds.push(...results, programLoad(program));
    }
    const failed = fds.filter(({ fd }) => fd === undefined);
    if (failed.length > 0) throw new Error(failed.length + " of " + fds.length + " loads failed");
  },
};
await make[process.env.MAKE]();
console.log(/^Max locked memory +(\\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"))[1]);
`;

for (const [make, what] of [
  ["map", "a map"],
  ["loads", "programs"],
] as const) {
  kernelTest(
    test,
    `the limit of locked memory is lifted for ${what} where the kernel charges it, and left alone elsewhere`,
    async () => {
      const { status, stdout, stderr } = await runChild(SCRIPT, { env: { MAKE: make } });
      assert.is(status, 0, stderr);
      assert.is(stdout.trim(), isOlderThan("5.11") ? "unlimited" : "65536");
    },
  );
}

test.run();
