import { suite } from "uvu";
import * as assert from "uvu/assert";
import { queryPrograms } from "../../links/attached.ts";
import { SyscallError } from "../../src/error.ts";
import type { programQuery } from "../../src/sys/bpf.ts";
import { isSyscall } from "./errors.ts";

const test = suite("links/attached");
const ENOSPC = 28;

/** A kernel whose list grows between its two answers, `times` times. */
function growing(times: number): { query: typeof programQuery; asked: () => number } {
  let asked = 0;
  const query: typeof programQuery = () => {
    if (asked++ < times) throw new SyscallError("list", { errno: ENOSPC, syscall: "bpf" });
    const programIds = new Uint32Array([7, 9]);
    return { programIds, linkIds: new Uint32Array(0), attachFlags: 0, revision: 0n };
  };
  return { query, asked: () => asked };
}

test("a list that changes while it is asked for is asked for again; without links their numbers are 0", () => {
  const { query, asked } = growing(3);
  assert.equal(queryPrograms(1, 0, false, query), {
    programs: [
      { id: 7, linkId: 0 },
      { id: 9, linkId: 0 },
    ],
    revision: 0n,
  });
  assert.is(asked(), 4);
});

test("a list that never stops changing is an error", () => {
  const { query, asked } = growing(Number.POSITIVE_INFINITY);
  assert.throws(() => queryPrograms(1, 0, false, query), isSyscall("ENOSPC"));
  assert.is(asked(), 5);
});

test.run();
