import { fstatSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { native } from "../../src/sys/ffi.ts";
import { openFile } from "../../src/sys/file.ts";
import { Struct } from "../../src/sys/struct.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { hostTest, kernelTest } from "../helper/kernel.ts";
import { runChild, sysPrologue } from "./child.ts";
import { slowCloses } from "./slow-closes.ts";

const test = suite("sys/close-soon");
/** include/uapi/asm-generic/resource.h. */
const RLIMIT_NOFILE = 7;

function isOpen(number: number): boolean {
  try {
    fstatSync(number);
    return true;
  } catch {
    return false;
  }
}

function openMany(count: number) {
  return Array.from({ length: count }, () => openFile("/dev/null"));
}

kernelTest(
  test,
  "what is given up together takes a few slow calls, however much it is",
  async () => {
    await assertNothingLeft(async () => {
      // Sockets carry 253 files; one or two are closed as they are, and of three a pair is together.
      for (const [count, calls] of [
        [600, 3],
        [253, 2],
        [3, 2],
        [2, 2],
        [1, 1],
      ] as const) {
        const fds = openMany(count);
        const numbers = fds.map(({ number }) => number);
        const made = await slowCloses(() => Promise.all(fds.map((fd) => fd.closeAsync())));
        assert.is(made, calls, `${count}`);
        assert.equal(numbers.filter(isOpen), []);
      }
    });
  },
);

kernelTest(test, "what is given up while others are closed goes together after them", async () => {
  await assertNothingLeft(async () => {
    const made = await slowCloses(async () => {
      const ends: Promise<void>[] = [];
      for (let turn = 0; turn < 20; turn++) {
        ends.push(...openMany(10).map((fd) => fd.closeAsync()));
        await Promise.resolve();
        await Promise.resolve();
      }
      await Promise.all(ends);
    });
    // Two for each of the first two turns, and two for all others.
    assert.is(made, 6);
  });
});

kernelTest(test, "a number that others have closed is an error of its own", async () => {
  await assertNothingLeft(async () => {
    const fds = openMany(20);
    native().close(fds[3]?.number ?? -1);
    const ends = await Promise.allSettled(fds.map((fd) => fd.closeAsync()));
    const failed = ends.flatMap((end, index) =>
      end.status === "rejected" ? [`${index} ${end.reason.code}`] : [],
    );
    assert.equal(failed, ["3 EBADF"]);
  });
});

kernelTest(test, "without a descriptor for a socket each is closed as it is", async () => {
  await assertNothingLeft(async () => {
    const fds = openMany(20);
    const numbers = fds.map(({ number }) => number);
    const limits = { soft: [0, 8], hard: [8, 8] } as const;
    const old = new Struct(limits);
    const none = new Struct(limits);
    const limit = (next: number, before: number): void => {
      assert.is(native().prlimit(0, RLIMIT_NOFILE, next, before), 0);
    };
    const made = await slowCloses(async () => {
      const ends = fds.map((fd) => fd.closeAsync());
      limit(0, old.address);
      limit(none.set("hard", old.get64("hard")).address, 0);
      try {
        await Promise.resolve();
      } finally {
        limit(old.address, 0);
      }
      await Promise.all(ends);
    });
    assert.is(made, 20);
    assert.equal(numbers.filter(isOpen), []);
  });
});

hostTest(test, "worker threads close at once, and may be ended at any time", async () => {
  const source = `
    import { parentPort } from "node:worker_threads";
    ${sysPrologue()}
    const fds = Array.from({ length: 300 }, () => sys("file").openFile("/dev/null"));
    for (const fd of fds) fd.closeAsync();
    parentPort.postMessage(fds.length);
    process.exit();
  `;
  const { stdout, stderr } = await runChild(`
    import { Worker } from "node:worker_threads";
    import { readdirSync } from "node:fs";
    const { openFile } = sys("file");
    const open = () => readdirSync("/proc/self/fd").length;
    const run = async () => {
      const worker = new Worker(new URL("data:text/javascript," + encodeURIComponent(${JSON.stringify(source)})));
      await new Promise((resolve, reject) => worker.once("exit", resolve).once("error", reject));
    };
    await run();
    const before = open();
    // Numbers that are free again are taken meanwhile.
    const runs = [run(), run(), run()];
    for (let round = 0; round < 50; round++) {
      const fds = Array.from({ length: 40 }, () => openFile("/dev/null"));
      await Promise.all(fds.map((fd) => fd.closeAsync()));
    }
    await Promise.all(runs);
    console.log(open() - before);
  `);
  assert.is(stdout, "0\n", stderr);
});

test.run();
