/**
 * A thread of the fuzzer: one that runs out of memory, or never ends, harms no other.
 *
 * @module
 */

import { parentPort, workerData } from "node:worker_threads";
import { makeCase } from "./cases.ts";
import { type Failure, runCases, type Tally, type Task } from "./loop.ts";

/** What a thread is given; `current` holds the number of the case that it is at, for when it cannot tell any more. */
export interface WorkerInput {
  task: Task;
  current: Int32Array;
}

/** What a thread says. */
export type WorkerMessage = { failure: Failure } | { tally: Tally };

if (parentPort !== null) {
  const port = parentPort;
  const { task, current } = workerData as WorkerInput;
  const say = (message: WorkerMessage): void => port.postMessage(message);
  const note = (number: number): void => {
    Atomics.store(current, 0, number);
  };
  say({ tally: runCases(task, makeCase, (failure) => say({ failure }), note) });
}
