/**
 * Who performs the loading of programs, which is written once, as steps: this thread, or others, several programs at a time.
 *
 * @module
 */

import { CALLS_AT_ONCE } from "../sys/async.ts";
import {
  type ProgramLoadAttributes,
  type ProgramLoadLog,
  type ProgramLoadResult,
  programLoad,
  programLoadAsync,
} from "../sys/bpf.ts";

/** One attempt at loading a program. */
export interface LoadStep {
  attributes: ProgramLoadAttributes;
  log: ProgramLoadLog | undefined;
}

/** Steps that end in a value; each is answered with what came of it. */
export type Steps<T> = Generator<LoadStep, T, ProgramLoadResult>;

/** Performs the steps at once, on this thread. */
export function perform<T>(steps: Steps<T>): T {
  let step = steps.next();
  while (step.done !== true) {
    const { attributes, log } = step.value;
    let result: ProgramLoadResult;
    try {
      result = programLoad(attributes, log);
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(result);
  }
  return step.value;
}

/** Performs the steps of one program on another thread, each attempt by `load`. */
export async function performAsync<T>(
  steps: Steps<T>,
  load: typeof programLoadAsync = programLoadAsync,
): Promise<T> {
  let step = steps.next();
  while (step.done !== true) {
    const { attributes, log } = step.value;
    let result: ProgramLoadResult;
    try {
      result = await load(attributes, log);
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(result);
  }
  return step.value;
}

/**
 * Performs the steps of several programs on other threads: they are begun in order, and while the kernel verifies some, the next
 * are relocated. Ends when all that were begun have ended.
 *
 * @throws the error that performing one after the other would end with; after an error no further program is begun.
 */
export async function performTogether(
  programs: Iterable<Steps<unknown>>,
  load?: typeof programLoadAsync,
): Promise<void> {
  const waiting = programs[Symbol.iterator]();
  let begun = 0;
  let failedPlace = Number.POSITIVE_INFINITY;
  let failure: unknown;
  const performNext = async (): Promise<void> => {
    while (failedPlace === Number.POSITIVE_INFINITY) {
      const place = begun++;
      try {
        const next = waiting.next();
        if (next.done === true) return;
        await performAsync(next.value, load);
      } catch (error) {
        if (place > failedPlace) return;
        failedPlace = place;
        failure = error;
      }
    }
  };
  await Promise.all(Array.from({ length: CALLS_AT_ONCE }, performNext));
  if (failedPlace !== Number.POSITIVE_INFINITY) throw failure;
}
