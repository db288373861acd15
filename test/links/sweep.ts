/**
 * For the tests of this folder: attaching in which one system call fails, whichever. It ends with an error of ours, or goes on
 * without what failed, and in any case nothing stays that closing the link does not take away.
 *
 * @module
 */

import * as assert from "uvu/assert";
import type { Link } from "../../links/link.ts";
import { BpfError } from "../../src/error.ts";
import type { Program } from "../../src/program.ts";
import { programGetFdById } from "../../src/sys/bpf.ts";
import { type FaultOptions, withFault } from "../helper/faults.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { eventually } from "../helper/process.ts";
import { SLOWNESS } from "../helper/slowness.ts";
import { hasCode } from "./errors.ts";

const EPERM = 1;
const EINVAL = 22;
const EMFILE = 24;
/** What older kernels say, a shortage, and a refusal that is looked into. */
const ERRORS = SLOWNESS > 1 ? [EINVAL, EMFILE] : [EINVAL, EMFILE, EPERM];
/** More calls than any attachment takes. */
const MANY = 100;
const FAULTS: FaultOptions = {
  calls: ["bpf", "mmap", "open", "fcntl", "ioctl", "perfEventOpen", "socket", "send", "setsockopt"],
  files: ["openSync", "readFileSync", "writeSync"],
};
/** What takes a descriptor. */
const DESCRIPTORS: FaultOptions = {
  calls: ["open", "fcntl", "socket"],
  files: ["openSync", "readFileSync"],
};

/** For hooks that take the kernel a hundredth: what old kernels say. */
export const FEW: Pick<Sweep, "errors"> = { errors: [EINVAL] };
/** For hooks at which the kernel takes a tenth of a second each time: what old kernels say, of what attaches. */
export const SLOW: Pick<Sweep, "errors" | "faults"> = {
  errors: [EINVAL],
  faults: { calls: ["bpf", "ioctl", "perfEventOpen"] },
};

/** What holds a program that is to be attached. */
export interface Made extends Disposable {
  readonly program: Program;
}

export interface Sweep {
  /** What is there besides descriptors and programs, and must be as before. */
  left?: () => unknown;
  /** What calls fail with, and which. */
  errors?: readonly number[];
  faults?: FaultOptions;
  /** Whether closing takes a descriptor. */
  closingOpens?: boolean;
}

/** Attaches a program, and puts another in its place, with a fault in each call; and closes without descriptors. */
export async function sweep(
  make: () => Made,
  attach: (program: Program) => Link,
  options: Sweep = {},
): Promise<void> {
  const ids: number[] = [];
  {
    using first = make();
    using second = make();
    ids.push(first.program.id, second.program.id);
    await sweepFaults(
      () => attach(first.program),
      (link) => link.update(second.program),
      options,
    );
    if (options.closingOpens !== true) {
      await closeWithout(() => attach(first.program), options.left);
    }
  }
  await gone(ids);
}

/** The same of anything that attaches, and changes it. */
export async function sweepFaults<T extends Disposable>(
  attach: () => T,
  change: (link: T) => void,
  { left = () => undefined, errors = ERRORS, faults = FAULTS }: Sweep = {},
): Promise<void> {
  // What is opened once a process is open now.
  attach()[Symbol.dispose]();
  const before = left();
  let failures = 0;
  for (const errno of errors) {
    let number = 0;
    for (; number < MANY; number++) {
      let error: unknown;
      let where = "";
      await assertNothingLeft(async () => {
        let link: T | undefined;
        const attachAndChange = () => {
          try {
            link = attach();
            change(link);
          } catch (thrown) {
            error = thrown;
          }
        };
        where = (await withFault(number, errno, attachAndChange, faults)).failed ?? "";
        link?.[Symbol.dispose]();
      });
      const doing = `errno ${errno} of call ${number}, ${where}: ${String(error)}`;
      assert.equal(left(), before, doing);
      if (where === "") break;
      if (error === undefined) continue;
      failures++;
      assert.instance(error, BpfError, doing);
    }
    assert.ok(number > 0 && number < MANY, `${number} calls`);
  }
  assert.ok(failures > 0, "nothing failed");
}

/** Closes a link where no descriptor is to be had. */
async function closeWithout(
  attach: () => Link,
  left: () => unknown = () => undefined,
): Promise<void> {
  const before = left();
  for (let number = 0; number < MANY; number++) {
    let where = "";
    await assertNothingLeft(async () => {
      const link = attach();
      where = (await withFault(number, EMFILE, () => link.close(), DESCRIPTORS)).failed ?? "";
    });
    assert.equal(left(), before, `closing without descriptors, call ${number}, ${where}`);
    if (where === "") return;
  }
}

/** Waits until the kernel has none of these programs, which what is attached would hold. */
async function gone(ids: readonly number[]): Promise<void> {
  for (const id of ids) {
    assert.ok(await eventually(() => !isThere(id)), `something holds program ${id}`);
  }
}

function isThere(id: number): boolean {
  try {
    programGetFdById(id).close();
    return true;
  } catch (error) {
    if (hasCode("ENOENT")(error)) return false;
    throw error;
  }
}
