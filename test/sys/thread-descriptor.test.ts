import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hostTest } from "../helper/kernel.ts";
import { runChild, sysPrologue } from "./child.ts";

const test = suite("sys/thread-descriptor");

/** What a worker does, with `open()` for a descriptor and `say()` for its parent; how many the process has left of these after its end. */
async function inWorker(body: string, end: string): Promise<string> {
  const source = `
    import { parentPort } from "node:worker_threads";
    import { closeSync, readFileSync } from "node:fs";
    ${sysPrologue()}
    const open = () => sys("file").openFile("/etc/passwd", "a file");
    const say = (value) => parentPort.postMessage(value);
    ${body}`;
  const { status, stdout, stderr } = await runChild(`
    const { Worker } = await import("node:worker_threads");
    const { readdirSync, readlinkSync } = await import("node:fs");
    const count = () => readdirSync("/proc/self/fd").filter((fd) => {
      try {
        return readlinkSync("/proc/self/fd/" + fd) === "/etc/passwd";
      } catch {
        return false;
      }
    }).length;
    const source = ${JSON.stringify(source)};
    const worker = new Worker(new URL("data:text/javascript," + encodeURIComponent(source)));
    const exit = new Promise((resolve) => worker.once("exit", resolve));
    worker.on("error", (error) => { throw error; });
    worker.on("message", (value) => console.log(value === "count" ? count() : JSON.stringify(value)));
    ${end}
    await exit;
    console.log("left", count());
  `);
  assert.equal([status, stderr], [0, ""]);
  return stdout;
}

hostTest(test, "a thread that ends by itself leaves none open", async () => {
  const stdout = await inWorker(`globalThis.kept = [open(), open().duplicate()];`, "");
  assert.is(stdout, "left 0\n");
});

hostTest(test, "one that is terminated leaves none open", async () => {
  const stdout = await inWorker(
    `
    globalThis.kept = [open(), open().duplicate()];
    say("count");
    setInterval(() => {}, 1000);
  `,
    `
    await new Promise((resolve) => worker.once("message", resolve));
    await worker.terminate();
  `,
  );
  // Three: the descriptor that was duplicated is nobody's to close.
  assert.is(stdout, "3\nleft 0\n");
});

hostTest(test, "those that were closed are not closed again, and are closed on exec", async () => {
  const stdout = await inWorker(
    `
    const first = open();
    const { number } = first;
    say(/^flags:\\s*0*2\\d{6}$/m.test(readFileSync("/proc/self/fdinfo/" + number, "utf8")));
    first.close();
    first.close();
    const second = open();
    say(second.number === number);
    await second.closeAsync();
  `,
    "",
  );
  assert.is(stdout, "true\ntrue\nleft 0\n");
});

test.run();
