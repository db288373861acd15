import { spawn } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SyscallError } from "../../src/error.ts";
import { native } from "../../src/sys/ffi.ts";
import { openFile } from "../../src/sys/file.ts";
import { PerfSoftware, PerfType, perfEventOpen } from "../../src/sys/perf.ts";
import { Poller } from "../../src/sys/poller.ts";
import { ShortTimer } from "../../src/sys/short-timer.ts";
import { socketWaker, timerWaker } from "../../src/sys/waker.ts";
import { hostTest, kernelTest } from "../helper/kernel.ts";
import { eventually } from "../helper/process.ts";
import { RING_PROLOGUE, runChild, sysPrologue } from "./child.ts";
import { openRing } from "./programs.ts";

const test = suite("sys/poller");

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

async function until(condition: () => boolean, what: string): Promise<void> {
  assert.ok(await eventually(condition), `never: ${what}`);
}

/** How many epoll descriptors the process has. */
function epolls(): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === "anon_inode:[eventpoll]";
    } catch {
      return false;
    }
  }).length;
}

kernelTest(test, "a callback comes until there is nothing more to read", async () => {
  const ring = openRing();
  let calls = 0;
  const watch = Poller.shared().watch(ring.map, () => {
    calls++;
    if (calls === 3) ring.drain();
  });
  await sleep(20);
  assert.is(calls, 0);
  ring.submit();
  await until(() => calls === 3, "three calls");
  await sleep(20);
  assert.is(calls, 3);
  ring.submit();
  await until(() => calls > 3, "a call for the next record");
  watch.close();
  watch.close();
  assert.ok(watch.closed);
  const after = calls;
  await sleep(20);
  assert.is(calls, after);
  ring.close();
});

kernelTest(test, "a paused watch is silent and forgets nothing", async () => {
  const ring = openRing();
  let calls = 0;
  const watch = Poller.shared().watch(ring.map, () => {
    calls++;
    ring.drain();
  });
  watch.pause();
  watch.pause();
  ring.submit();
  await sleep(20);
  assert.is(calls, 0);
  watch.resume();
  watch.resume();
  await until(() => calls === 1, "the record that came meanwhile");
  watch.close();
  assert.throws(() => watch.resume(), /the watch of map ring: it was closed/);
  ring.close();
});

kernelTest(test, "watches are independent, and one may close another", async () => {
  const before = epolls();
  const rings = [openRing(), openRing()];
  let calls = 0;
  const watches = rings.map((ring, index) =>
    Poller.shared().watch(ring.map, () => {
      calls++;
      watches[1 - index]?.close();
      ring.drain();
    }),
  );
  assert.is(epolls(), before + 1);
  for (const ring of rings) ring.submit();
  await until(() => calls > 0, "a call");
  await sleep(20);
  assert.is(calls, 1);
  for (const watch of watches) watch.close();
  assert.is(epolls(), before, "without watches nothing stays open");
  for (const ring of rings) ring.close();
});

kernelTest(
  test,
  "closing the descriptor ends its watch, and the number's next owner is another",
  async () => {
    const before = epolls();
    const first = openRing();
    const { number } = first.map;
    const watch = Poller.shared().watch(first.map, () => assert.unreachable());
    first.submit();
    first.map.close();
    assert.ok(watch.closed);
    first.close();
    const second = openRing();
    assert.is(second.map.number, number);
    let calls = 0;
    const other = Poller.shared().watch(second.map, () => {
      calls++;
      second.drain();
    });
    watch.close();
    second.submit();
    await until(() => calls === 1, "a call");
    other.close();
    second.close();
    assert.is(epolls(), before);
  },
);

kernelTest(test, "what cannot be watched is an error that leaves nothing behind", () => {
  const before = epolls();
  const file = openFile("/proc/self/exe", "a file");
  assert.throws(
    () => Poller.shared().watch(file, () => {}),
    (error: unknown) =>
      error instanceof SyscallError &&
      error.code === "EPERM" &&
      /^watch a file/.test(error.message),
  );
  assert.is(epolls(), before);
  file.close();
  assert.throws(() => Poller.shared().watch(file, () => {}), /it was closed/);
  const ring = openRing();
  const watch = Poller.shared().watch(ring.map, () => {});
  assert.throws(() => Poller.shared().watch(ring.map, () => {}), /watch map ring: EEXIST/);
  assert.not(watch.closed);
  watch.close();
  ring.close();
});

kernelTest(test, "an event whose process has ended is reported once and let go", async () => {
  const child = spawn("/bin/sh", ["-c", "read line"], { stdio: ["pipe", "ignore", "ignore"] });
  const event = perfEventOpen(
    { type: PerfType.SOFTWARE, config: PerfSoftware.DUMMY, bits: ["inherit"] },
    child.pid ?? 0,
    -1,
  );
  let calls = 0;
  let hangups = 0;
  const watch = Poller.shared().watch(
    event,
    () => {
      calls++;
    },
    { onHangup: () => hangups++ },
  );
  child.stdin.end();
  await new Promise((resolve) => child.on("exit", resolve));
  await until(() => hangups > 0, "the hang-up");
  await sleep(20);
  assert.equal([hangups, watch.closed], [1, true]);
  assert.is(calls, 1, "one last look at what may be left");
  event.close();
});

test("the timer looks often while there is something, and seldom when not", async () => {
  let looks = 0;
  let busy = true;
  const waker = timerWaker(() => {
    looks++;
    return busy;
  });
  waker.ref();
  await until(() => looks >= 15, "many looks while busy");
  busy = false;
  await sleep(50);
  looks = 0;
  const start = performance.now();
  await sleep(100);
  // Pauses have grown to 16 ms by now; a busy machine only makes them longer.
  const most = Math.ceil((performance.now() - start) / 16) + 1;
  assert.ok(looks <= most, `${looks} looks while idle`);
  await until(() => looks > 0, "a look while idle");
  waker.close();
  looks = 0;
  await sleep(40);
  assert.is(looks, 0);
});

hostTest(test, "where no socket can be had nothing wakes by one, and nothing is left", () => {
  const descriptors = () => readdirSync("/proc/self/fd").length;
  const before = descriptors();
  assert.is(
    socketWaker(-1, () => false),
    undefined,
    "no set to put in its place",
  );
  const functions = native() as { socket: unknown };
  const { socket } = functions;
  functions.socket = () => -1;
  try {
    assert.is(
      socketWaker(0, () => false),
      undefined,
    );
  } finally {
    functions.socket = socket;
  }
  assert.is(descriptors(), before);
});

hostTest(test, "pauses may be shorter than a millisecond", async () => {
  let expired: (() => void) | undefined;
  const timer = new ShortTimer(() => expired?.());
  const pause = async (milliseconds: number): Promise<number> => {
    const start = performance.now();
    await new Promise<void>((resolve) => {
      expired = resolve;
      timer.start(milliseconds);
    });
    return performance.now() - start;
  };
  timer.ref();
  const pauses: number[] = [];
  for (let round = 0; round < 21; round++) pauses.push(await pause(0.2));
  assert.ok(
    pauses.every((each) => each >= 0.2),
    `${pauses}`,
  );
  const [shortest = 1] = pauses.sort((a, b) => a - b);
  assert.ok(shortest < 0.9, `${shortest}`);
  let calls = 0;
  expired = () => calls++;
  timer.start(0.1);
  await until(() => calls > 0, "a call");
  await sleep(5);
  assert.is(calls, 1, "once for each start");
  timer.start(0.1);
  timer.close();
  timer.close();
  await sleep(5);
  assert.is(calls, 1, "it was closed");
});

/** Runs a script that has a `ring`; what it printed, when it ended by itself with `status`. */
async function outcome(script: string, status = 0): Promise<{ stdout: string; stderr: string }> {
  const { stdout, stderr, ...how } = await runChild(RING_PROLOGUE + script);
  assert.equal(how, { status, signal: null }, stderr);
  return { stdout, stderr };
}

hostTest(test, "a process ends by itself with an open watch and data pending", async () => {
  const { stdout, stderr } = await outcome(`
    Poller.shared().watch(ring.map, () => {});
    ring.submit();
    console.log("end");
  `);
  assert.equal([stdout, stderr], ["end\n", ""]);
});

hostTest(test, "a referenced watch keeps the process, until it is paused or closed", async () => {
  const { stdout } = await outcome(`
    const watch = Poller.shared().watch(ring.map, () => {
      console.log("readable");
      ring.drain();
      if (++calls === 2) watch.pause();
      else setTimeout(ring.submit, 30).unref();
    });
    let calls = 0;
    watch.ref();
    setTimeout(ring.submit, 30).unref();
    process.on("exit", () => console.log("calls", calls));
  `);
  assert.is(stdout, "readable\nreadable\ncalls 2\n");
});

hostTest(test, "process.exit in a callback is an ordinary exit", async () => {
  const { stderr } = await outcome(
    `
    Poller.shared().watch(ring.map, () => process.exit(3)).ref();
    ring.submit();
  `,
    3,
  );
  assert.is(stderr, "");
});

kernelTest(
  test,
  "an error in a callback is an uncaught exception, and can be handled",
  async () => {
    const body = `
    const watch = Poller.shared().watch(ring.map, () => {
      ring.drain();
      throw new Error("from the callback");
    });
    watch.ref();
    ring.submit();
  `;
    const { stderr } = await outcome(body, 1);
    assert.match(stderr, "Error: from the callback");
    const { stdout } = await outcome(`
    let caught = 0;
    process.on("uncaughtException", (error) => {
      console.log(error.message);
      if (++caught === 2) watch.close();
      else ring.submit();
    });
    ${body}
  `);
    assert.is(stdout, "from the callback\nfrom the callback\n");
  },
);

hostTest(test, "promises and ticks of a callback run although nothing else happens", async () => {
  const { stdout } = await outcome(`
    const watch = Poller.shared().watch(ring.map, () => {
      ring.drain();
      process.nextTick(() => console.log("tick"));
      Promise.resolve().then(() => {
        console.log("promise");
        watch.close();
      });
    });
    watch.ref();
    ring.submit();
  `);
  assert.is(stdout, "tick\npromise\n");
});

/** A script that runs `body`, which has a `ring`, in a worker; `worker` is there for `after`. */
function inWorker(body: string, after: string): string {
  const source = `import { parentPort } from "node:worker_threads";
    ${sysPrologue()}
    ${RING_PROLOGUE}
    ${body}`;
  return `
    import { Worker } from "node:worker_threads";
    const source = ${JSON.stringify(source)};
    const worker = new Worker(new URL("data:text/javascript," + encodeURIComponent(source)));
    worker.on("error", (error) => { throw error; });
    const message = () => new Promise((resolve) => worker.once("message", resolve));
    const exit = new Promise((resolve) => worker.once("exit", resolve));
    ${after}
  `;
}

hostTest(
  test,
  "in a worker a watch works, and terminating the worker crashes nothing",
  async () => {
    const { stdout } = await runChild(
      inWorker(
        `
      let calls = 0;
      Poller.shared().watch(ring.map, () => {
        ring.drain();
        if (++calls === 3) parentPort.postMessage("three");
        ring.submit();
      }).ref();
      ring.submit();
    `,
        `
      console.log(await message());
      console.log(await worker.terminate());
      setTimeout(() => console.log("alive"), 50);
    `,
      ),
    ).then(({ status, signal, ...texts }) => {
      assert.equal([status, signal], [0, null], texts.stderr);
      return texts;
    });
    assert.is(stdout, "three\n1\nalive\n");
  },
);

hostTest(test, "a worker is woken at once, and does no work while it waits", async () => {
  const { status, stdout, stderr } = await runChild(
    inWorker(
      `
      let looks = 0;
      const { native } = sys("ffi");
      const { epollWait } = native();
      native().epollWait = (...parameters) => {
        looks++;
        return epollWait(...parameters);
      };
      let readable;
      Poller.shared().watch(ring.map, () => {
        ring.drain();
        readable();
      }).ref();
      const delays = [];
      for (let round = 0; round < 9; round++) {
        await new Promise((resolve) => setTimeout(resolve, 20));
        const start = performance.now();
        await new Promise((resolve) => {
          readable = resolve;
          ring.submit();
        });
        delays.push(performance.now() - start);
      }
      parentPort.postMessage([delays.sort((a, b) => a - b)[4], looks]);
    `,
      `
      const [median, looks] = await message();
      console.log(median < 5 ? "at once" : median, looks < 20 ? "when woken" : looks);
      await worker.terminate();
    `,
    ),
  );
  assert.equal([status, stdout], [0, "at once when woken\n"], stderr);
});

hostTest(test, "a worker ends by itself, and by process.exit in a callback", async () => {
  for (const [body, code] of [
    ["Poller.shared().watch(ring.map, () => {}); ring.submit();", 0],
    ["Poller.shared().watch(ring.map, () => process.exit(4)).ref(); ring.submit();", 4],
  ] as const) {
    const { status, stdout, stderr } = await runChild(
      inWorker(body, `console.log("worker", await exit);`),
    );
    assert.equal([status, stdout], [0, `worker ${code}\n`], stderr);
  }
});

test.run();
