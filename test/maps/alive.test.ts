import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hostTest } from "../helper/kernel.ts";
import { type ChildResult, runChild } from "../sys/child.ts";

const test = suite("maps/alive");

/**
 * Runs a script with a ring and a program that fills it, in a process that only the reader may keep
 * alive.
 */
function run(script: string): Promise<ChildResult> {
  const prologue = `
    const { createRing, RingProgram } = await sys("ring-program");
    const ring = createRing();
    const program = new RingProgram(ring);
    const fillLater = (milliseconds) => setTimeout(() => program.run(1), milliseconds).unref();
  `;
  return runChild(prologue + script, { seconds: 10 });
}

hostTest(test, "a ring that nobody reads does not keep the process alive", async () => {
  const { status, stdout } = await run(`
    program.run(1);
    ring.consume(() => {});
    process.on("exit", () => console.log("end"));
  `);
  assert.equal([status, stdout], [0, "end\n"]);
});

hostTest(test, "a loop that waits keeps it alive, and its end lets it go", async () => {
  for (const read of ["records", "batches"]) {
    const { status, stdout, stderr } = await run(`
      fillLater(30);
      let seen = 0;
      for await (const event of ring.${read}()) {
        console.log("event");
        if (++seen === 2) break;
        fillLater(30);
      }
      console.log("end");
    `);
    assert.equal([status, stdout, stderr], [0, "event\nevent\nend\n", ""]);
  }
});

hostTest(
  test,
  "so does a pause while it fills fast, and nothing when nobody waits any more",
  async () => {
    const { status, stdout, stderr } = await run(`
    const small = createRing(4096);
    const fast = new RingProgram(small);
    const batches = small.batches();
    let [made, read] = [0, 0];
    while (read < 2000) {
      fast.run(100);
      made += 100;
      read += (await batches.next()).value.length;
    }
    console.log(read === made || read);
  `);
    assert.equal([status, stdout, stderr], [0, "true\n", ""]);
  },
);

hostTest(test, "listening keeps it alive until it is aborted", async () => {
  const { status, stdout } = await run(`
    const stop = new AbortController();
    fillLater(30);
    const show = () => { console.log("event"); stop.abort(); };
    ring.listen(show, { signal: stop.signal }).then(() => console.log("end"));
  `);
  assert.equal([status, stdout], [0, "event\nend\n"]);
});

hostTest(test, "without ref the process ends while the reader waits", async () => {
  const { status, stdout } = await run(`
    fillLater(1_000_000);
    ring.listen(() => console.log("event"), { ref: false });
    process.on("exit", () => console.log("exit"));
  `);
  assert.equal([status, stdout], [0, "exit\n"]);
  const fed = await run(`
    const alive = setTimeout(() => {}, 100_000);
    fillLater(20);
    ring.listen(() => {
      console.log("event");
      clearTimeout(alive);
    }, { ref: false });
    process.on("exit", () => console.log("exit"));
  `);
  assert.equal([fed.status, fed.stdout], [0, "event\nexit\n"]);
});

hostTest(
  test,
  "an iterator that is left alone between two records does not keep it alive",
  async () => {
    const { status, stdout } = await run(`
    program.run(2);
    const records = ring.records();
    const { value } = await records.next();
    console.log(value.length);
  `);
    assert.equal([status, stdout], [0, "16\n"]);
  },
);

hostTest(test, "closing what is read ends the process, in the callback too", async () => {
  const { status, stdout } = await run(`
    fillLater(20);
    await ring.listen(() => { console.log("event"); ring.close(); });
    program.close();
    console.log("end");
  `);
  assert.equal([status, stdout], [0, "event\nend\n"]);
});

hostTest(
  test,
  "an exception in a loop that nobody catches ends the process with its stack",
  async () => {
    const { status, stderr } = await run(`
    fillLater(20);
    ring.listen(() => { throw new Error("from the callback"); });
  `);
    assert.is(status, 1);
    assert.match(stderr, /from the callback/);
  },
);

test.run();
