/**
 * For tests of closing: how many calls of close(2) were made on other threads.
 *
 * @module
 */

import { createHook } from "node:async_hooks";

/** Counts the calls while `body` runs: koffi makes an asynchronous resource of each, named after the function. */
export async function slowCloses(body: () => Promise<unknown>): Promise<number> {
  let calls = 0;
  const hook = createHook({
    init(_id, type) {
      if (type === "close") calls++;
    },
  }).enable();
  try {
    await body();
  } finally {
    hook.disable();
  }
  return calls;
}
