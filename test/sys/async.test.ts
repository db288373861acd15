import { suite } from "uvu";
import * as assert from "uvu/assert";
import { callAsync } from "../../src/sys/async.ts";
import { native } from "../../src/sys/ffi.ts";
import { hostTest, kernelTest } from "../helper/kernel.ts";
import { runChild, sysPrologue } from "./child.ts";

const test = suite("sys/async");
const [EBADF, EINVAL, EFAULT] = [9, 22, 14];

kernelTest(test, "each call has its own errno, whatever fails beside it", async () => {
  const { close, bpf, bpfNumber, munmap, errno, read } = native();
  // Far more than the 256 calls that koffi takes at a time.
  const calls = Array.from({ length: 900 }, (_, index) => {
    if (index % 3 === 0) return callAsync(close, 100_000);
    if (index % 3 === 1) return callAsync(bpf, bpfNumber, 9999, 0, 0);
    return callAsync(bpf, bpfNumber, 0, 8, 72);
  });
  let busy = true;
  const results = Promise.all(calls).finally(() => {
    busy = false;
  });
  let turns = 0;
  while (busy) {
    // Synchronous failures with other errnos, between the callbacks.
    assert.is(munmap(1, 1), -1);
    assert.is(errno(), EINVAL);
    assert.is(read(100_000, 0, 0), -1);
    assert.is(errno(), EBADF);
    turns++;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(turns > 3);
  const expected = [-EBADF, -EINVAL, -EFAULT];
  assert.equal(
    await results,
    calls.map((_, index) => expected[index % 3]),
  );
});

kernelTest(test, "results of calls that succeed come through", async () => {
  const { pageSize, bpf } = native();
  assert.is(await callAsync(pageSize), pageSize());
  assert.type(bpf.async, "function");
});

hostTest(test, "ending a process or a worker with calls under way crashes nothing", async () => {
  const BUSY = `
    const { programLoadAsync } = await sys("bpf");
    const length = 4000;
    const instructions = new Uint8Array(length * 8);
    for (let at = 0; at < length; at++) instructions.set([0xb7, 0, 0, 0, 1, 0, 0, 0], at * 8);
    instructions.set([0x95, 0, 0, 0, 0, 0, 0, 0], (length - 1) * 8);
    for (let i = 0; i < 40; i++) programLoadAsync({ type: 1, license: "GPL", instructions });
  `;
  const exits = await runChild(`${BUSY} setTimeout(() => process.exit(7), 5);`);
  assert.is(exits.status, 7, exits.stderr);
  const source = `
    import { parentPort } from "node:worker_threads";
    ${sysPrologue()}
    ${BUSY}
    parentPort.postMessage(1);
  `;
  const worker = await runChild(`
    import { Worker } from "node:worker_threads";
    const url = "data:text/javascript," + encodeURIComponent(${JSON.stringify(source)});
    for (let i = 0; i < 6; i++) {
      const worker = new Worker(new URL(url));
      await new Promise((resolve, reject) => {
        worker.once("message", resolve).once("error", reject);
      });
      await worker.terminate();
    }
    console.log("alive");
  `);
  assert.is(worker.stdout, "alive\n", worker.stderr);
  assert.is(worker.status, 0);
});

test.run();
