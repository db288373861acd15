/**
 * System calls that fail when a test wants them to: what a kernel short of something answers at a moment of bad luck.
 *
 * @module
 */

import { type Foreign, native } from "../../src/sys/ffi.ts";

/** The calls that make descriptors and memory. */
const CALLS = ["bpf", "mmap", "open", "fcntl", "ioctl", "perfEventOpen"] as const;

/** What became of a run with a fault in it. */
export interface Faults {
  /** Calls that were made, the failed one among them. */
  count: number;
  /** The name of the call that failed; undefined when there were not so many. */
  failed: string | undefined;
}

/** Has the call with that number, counted from 0 among those of `body`, fail with `errno`. */
export async function withFault(
  number: number,
  errno: number,
  body: () => unknown,
): Promise<Faults> {
  const table = native() as {
    -readonly [K in keyof ReturnType<typeof native>]: ReturnType<typeof native>[K];
  };
  const real = { ...table };
  const faults: Faults = { count: 0, failed: undefined };
  /** Whether the next question for errno is about the failed call. */
  let pending = false;
  const fails = (name: string): boolean => {
    if (faults.count++ !== number) return false;
    faults.failed = name;
    return true;
  };
  for (const name of CALLS) {
    const call = real[name] as Foreign<number[]>;
    const wrapped = Object.assign(
      (...parameters: number[]): number => {
        pending = fails(name);
        return pending ? -1 : call(...parameters);
      },
      {
        async(...parameters: unknown[]): void {
          if (!fails(name)) {
            (call.async as (...all: unknown[]) => void)(...parameters);
            return;
          }
          const callback = parameters.at(-1) as (error: null, result: number) => void;
          setImmediate(() => {
            pending = true;
            callback(null, -1);
            pending = false;
          });
        },
      },
    );
    Object.assign(table, { [name]: wrapped });
  }
  table.errno = () => (pending ? errno : real.errno());
  try {
    await body();
  } finally {
    Object.assign(table, real);
  }
  return faults;
}
