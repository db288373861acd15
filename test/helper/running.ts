/**
 * Which test runs, and no longer than it may: uvu tells nobody, and a test that never ends is to be named.
 *
 * A suite that is queued is a function of uvu's with its tests bound to it. What is bound while a file is imported is looked at for
 * lists of tests.
 *
 * @module
 */

/** What uvu binds, as far as it matters here. */
interface Context {
  tests: Test[];
  only: Test[];
}

interface Test {
  name: string;
  handler: (state: unknown) => unknown;
}

/** The test that runs, or ran last; no texts before the first. */
export const running: { suite: string; test: string } = { suite: "", test: "" };

/** How long a test may take, in milliseconds, and what is called with the words on one that takes longer. */
export interface TestLimit {
  milliseconds: number;
  onLate: (reason: string) => void;
}

/** Imports a file with `load`. Each test of the suites that it queues is noted when it begins, and fails when it takes too long. */
export async function watchTests(load: () => Promise<unknown>, limit: TestLimit): Promise<void> {
  Object.assign(running, { suite: "", test: "" });
  const { bind } = Function.prototype;
  Function.prototype.bind = function (this: (...all: unknown[]) => unknown, self, ...bound) {
    const [context, suite] = bound as [Context | undefined, unknown];
    if (Array.isArray(context?.tests) && Array.isArray(context.only)) {
      for (const test of [...context.tests, ...context.only]) {
        watch(test, String(suite ?? ""), limit);
      }
    }
    return bind.call(this, self, ...bound);
  };
  try {
    await load();
  } finally {
    Function.prototype.bind = bind;
  }
}

function watch(test: Test, suite: string, limit: TestLimit): void {
  const { name, handler } = test;
  test.handler = async (state) => {
    Object.assign(running, { suite, test: name });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const reason = `no end after ${limit.milliseconds / 1000} s`;
        limit.onLate(reason);
        reject(new Error(reason));
      }, limit.milliseconds);
    });
    try {
      await Promise.race([handler(state), late]);
    } finally {
      clearTimeout(timer);
    }
  };
}

/** The test in words, such as `"it counts" of links/kprobe`; undefined where none has begun. */
export function runningTest(): string | undefined {
  const { suite, test } = running;
  return test === "" ? undefined : `"${test}"${suite === "" ? "" : ` of ${suite}`}`;
}
