/** Several processes that want the same map, pinned by its name, at the same moment. */

import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openMap } from "../../maps/index.ts";
import { type BpfError, SyscallError } from "../../src/error.ts";
import { mapGetFdById } from "../../src/sys/bpf.ts";
import { kernelTest } from "../helper/kernel.ts";
import { eventually } from "../helper/process.ts";
import { SLOWNESS } from "../helper/slowness.ts";
import { withMount } from "../links/mounts.ts";
import type { Answer, Request } from "./pin-race-child.ts";

const test = suite("maps/pin race");
const CHILDREN = 3;
const ROUNDS = SLOWNESS > 1 ? 3 : 12;

/** The next message of a child; rejects when it ends before. */
function message<T>(child: ChildProcess): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null) => reject(new Error(`a child ended with ${code}`));
    child.once("exit", ended);
    child.once("message", (value) => {
      child.off("exit", ended);
      resolve(value as T);
    });
  });
}

/** Runs `use` with processes that pin in `folder`. */
async function withChildren(
  folder: string,
  use: (ask: (requests: readonly Omit<Request, "at">[]) => Promise<Answer[]>) => Promise<void>,
): Promise<void> {
  const script = fileURLToPath(new URL("pin-race-child.js", import.meta.url));
  const children = Array.from({ length: CHILDREN }, () => fork(script, [folder]));
  const ends = children.map((child) => new Promise((resolve) => child.once("exit", resolve)));
  try {
    await Promise.all(children.map((child) => message(child)));
    await use((requests) => {
      const at = Number(process.hrtime.bigint() / 1_000_000n) + 5 * SLOWNESS;
      return Promise.all(
        children.map((child, index) => {
          const answer = message<Answer>(child);
          child.send({ ...requests[index]!, at });
          return answer;
        }),
      );
    });
  } finally {
    for (const child of children) child.kill("SIGKILL");
    await Promise.all(ends);
  }
}

/** Waits until the kernel has let go of maps, which it does by and by. */
async function assertGone(ids: readonly number[]): Promise<void> {
  const isThere = (id: number): boolean => {
    try {
      mapGetFdById(id).close();
      return true;
    } catch (error) {
      if (error instanceof SyscallError && error.code === "ENOENT") return false;
      throw error;
    }
  };
  let left = [...ids];
  await eventually(() => {
    left = left.filter(isThere);
    return left.length === 0;
  });
  assert.equal(left, [], "maps that lost are closed");
}

kernelTest(test, "one map comes of it, all get that, and nobody fails", () =>
  withMount("bpf", (folder) =>
    withChildren(folder, async (ask) => {
      const made: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const name = `shared_${round}`;
        const answers = await ask(Array(CHILDREN).fill({ name, valueSize: 8 }));
        assert.equal(
          answers.map(({ code }) => code),
          Array(CHILDREN).fill(undefined),
        );
        assert.is(answers.filter(({ created }) => created).length, 1, "one has made it");
        using map = openMap(join(folder, name));
        assert.equal(
          answers.map(({ id }) => id),
          Array(CHILDREN).fill(map.id),
        );
        made.push(...answers.flatMap((answer) => answer.made));
        map.unpin();
      }
      await assertGone(made);
    }),
  ),
);

kernelTest(test, "who wants another map is refused, whoever was first", () =>
  withMount("bpf", (folder) =>
    withChildren(folder, async (ask) => {
      const made: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const name = `mixed_${round}`;
        const sizes = [8, 4, 8].map((_, index, all) => all[(index + round) % all.length]!);
        const answers = await ask(sizes.map((valueSize) => ({ name, valueSize })));
        using map = openMap(join(folder, name));
        for (const [index, { id, code }] of answers.entries()) {
          const fits = sizes[index] === map.valueSize;
          assert.equal(
            [id, code],
            fits ? [map.id, undefined] : [undefined, "ERR_MAP_INCOMPATIBLE"],
          );
        }
        assert.is(answers.filter(({ created }) => created).length, 1);
        made.push(...answers.flatMap((answer) => answer.made));
        map.unpin();
        assert.throws(
          () => openMap(join(folder, name)),
          (error: unknown) => (error as BpfError).code === "ENOENT",
        );
      }
      await assertGone(made);
    }),
  ),
);

test.run();
