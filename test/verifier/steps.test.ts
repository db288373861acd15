/**
 * Loading of several programs at a time: which begins when, and whose error counts.
 *
 * @module
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CALLS_AT_ONCE } from "../../src/sys/async.ts";
import type { ProgramLoadAttributes, ProgramLoadResult } from "../../src/sys/bpf.ts";
import { performTogether, type Steps } from "../../src/verifier/steps.ts";

const together = suite("programs loaded together");
const NAMES = Array.from({ length: 2 * CALLS_AT_ONCE + 2 }, (_, index) => `program ${100 + index}`);
const ACCEPTED: ProgramLoadResult = { errno: 0, log: "", logTrueSize: 0 };

/** A kernel that answers when the test says so. */
class Kernel {
  /** Programs that are being verified, in the order in which they came. */
  readonly waiting = new Map<string, (errno: number) => void>();
  readonly come: string[] = [];

  readonly load = ({ name = "" }: ProgramLoadAttributes): Promise<ProgramLoadResult> => {
    this.come.push(name);
    return new Promise((resolve) => {
      this.waiting.set(name, (errno) => resolve({ ...ACCEPTED, errno }));
    });
  };

  async answer(name: string, errno = 0): Promise<void> {
    const answer = this.waiting.get(name);
    assert.ok(answer, `${name} is being verified`);
    this.waiting.delete(name);
    answer(errno);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A program that is refused where the kernel gives an errno. */
function* program(name: string, ended: string[]): Steps<void> {
  const attributes = { type: 1, name, license: "GPL", instructions: new Uint8Array(8) };
  const { errno } = yield { attributes, log: undefined };
  ended.push(name);
  if (errno !== 0) throw new Error(`${name}: ${errno}`);
}

together("as many are verified at once as calls may be under way, begun in order", async () => {
  const kernel = new Kernel();
  const ended: string[] = [];
  const all = performTogether(
    NAMES.map((name) => program(name, ended)),
    kernel.load,
  );
  assert.equal(kernel.come, NAMES.slice(0, CALLS_AT_ONCE));
  assert.ok(CALLS_AT_ONCE > 1 || process.env["UV_THREADPOOL_SIZE"] !== undefined);
  // Whichever ends, the next in order begins.
  const last = NAMES[CALLS_AT_ONCE - 1]!;
  await kernel.answer(last);
  assert.equal(kernel.come, NAMES.slice(0, CALLS_AT_ONCE + 1));
  while (kernel.waiting.size > 0) await kernel.answer([...kernel.waiting.keys()][0]!);
  await all;
  assert.equal(kernel.come, NAMES);
  assert.equal(ended.toSorted(), NAMES);
  assert.is(ended[0], last);
});

together(
  "the error is that of the first program, though a later one is refused before",
  async () => {
    const kernel = new Kernel();
    const ended: string[] = [];
    let isSettled = false;
    const all = performTogether(
      NAMES.map((name) => program(name, ended)),
      kernel.load,
    ).finally(() => {
      isSettled = true;
    });
    const begun = NAMES.slice(0, CALLS_AT_ONCE);
    all.catch(() => {});
    for (const name of begun.toReversed()) {
      assert.is(isSettled, false, "it waits for what was begun");
      await kernel.answer(name, 22);
    }
    assert.equal(kernel.come, begun, "after a refusal none is begun");
    let message = "";
    await all.catch((error) => {
      message = error.message;
    });
    assert.is(message, `${NAMES[0]}: 22`);
    assert.equal(ended, begun.toReversed());
  },
);

together("an error on the way to the next program counts as that one's", async () => {
  const kernel = new Kernel();
  function* programs(): Generator<Steps<void>> {
    yield program("a", []);
    throw new Error("aborted");
  }
  const all = performTogether(programs(), kernel.load);
  all.catch(() => {});
  await kernel.answer("a");
  let message = "";
  await all.catch((error) => {
    message = error.message;
  });
  assert.is(message, "aborted");
});

together.run();
