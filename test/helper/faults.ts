/**
 * System calls that fail when a test wants them to: what a kernel short of something answers at a moment of bad luck.
 *
 * @module
 */

import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { constants } from "node:os";
import { type Foreign, type Native, native } from "../../src/sys/ffi.ts";

/** A call of the C library. */
export type NativeCall = {
  [K in keyof Native]: Native[K] extends Foreign<infer _> ? K : never;
}[keyof Native];
/** A function of `node:fs`, which fails as a whole. */
export type FileCall = "openSync" | "readFileSync" | "writeSync" | "readSync" | "statSync";

/** The calls that make descriptors and memory. */
const CALLS: readonly NativeCall[] = ["bpf", "mmap", "open", "fcntl", "ioctl", "perfEventOpen"];

/** What became of a run with a fault in it. */
export interface Faults {
  /** Calls that were made, the failed one among them. */
  count: number;
  /** The name of the call that failed; undefined when there were not so many. */
  failed: string | undefined;
}

/** Which calls may fail. */
export interface FaultOptions {
  /** Default: those that make descriptors and memory. */
  calls?: readonly NativeCall[];
  /** Default: none. */
  files?: readonly FileCall[];
}

/** Has the call with that number, counted from 0 among those of `body`, fail with `errno`. */
export async function withFault(
  number: number,
  errno: number,
  body: () => unknown,
  { calls = CALLS, files = [] }: FaultOptions = {},
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
  for (const name of calls) {
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
  const restore = failFiles(files, errno, fails);
  try {
    await body();
  } finally {
    restore();
    Object.assign(table, real);
  }
  return faults;
}

/** Wraps functions of `node:fs`, also for those who have imported them; the returned function takes that back. */
function failFiles(
  names: readonly FileCall[],
  errno: number,
  fails: (name: string) => boolean,
): () => void {
  if (names.length === 0) return () => {};
  const real = Object.fromEntries(names.map((name) => [name, fs[name]]));
  const code = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? "";
  for (const name of names) {
    const call = fs[name] as (...parameters: unknown[]) => unknown;
    const wrapped = (...parameters: unknown[]): unknown => {
      if (!fails(name)) return call(...parameters);
      const syscall = name.replace("Sync", "");
      throw Object.assign(new Error(`${code}: ${syscall}`), { code, errno: -errno, syscall });
    };
    Object.assign(fs, { [name]: wrapped });
  }
  syncBuiltinESMExports();
  return () => {
    Object.assign(fs, real);
    syncBuiltinESMExports();
  };
}
