import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { HelperName } from "../../src/asm/index.ts";
import { BpfError } from "../../src/error.ts";
import { fromError, judge } from "../../src/features/answer.ts";
import { haveHelper } from "../../src/features/helpers.ts";
import { ProgramType } from "../../src/uapi.ts";

const test = suite("features/answer");

test("what a kernel does not know is no, what it forbids is unknown", () => {
  assert.is(judge(0).state, "supported");
  assert.is(judge(7).state, "supported");
  for (const [errno, code] of [
    [22, "EINVAL"],
    [7, "E2BIG"],
    [38, "ENOSYS"],
    [95, "EOPNOTSUPP"],
    [524, "ENOTSUPP"],
  ] as const) {
    const answer = judge(-errno);
    assert.is(answer.state, "unsupported");
    assert.is(answer.code, code);
    assert.ok(answer.reason !== "");
  }
  for (const [errno, code] of [
    [1, "EPERM"],
    [13, "EACCES"],
    [12, "ENOMEM"],
    [24, "EMFILE"],
  ] as const) {
    assert.is(judge(-errno).state, "unknown");
    assert.is(judge(-errno).code, code);
  }
  assert.match(judge(-1).reason, "CAP_BPF");
});

test("a complaint that comes later shows that it is there", () => {
  assert.is(judge(-9, [9]).state, "supported");
  assert.is(judge(-9, [9]).code, "EBADF");
  assert.is(judge(-9, [19]).state, "unknown");
  // The expected complaint counts, even where others would mean no.
  assert.is(judge(-524, [524]).state, "supported");
});

test("helpers go by their names without bpf_", () => {
  for (const [name, meant] of [
    ["bpf_redirect", '"redirect"'],
    ["get_atach_cookie", '"get_attach_cookie"'],
  ] as const) {
    assert.throws(
      () => haveHelper(ProgramType.XDP, name as HelperName),
      (error: unknown) =>
        error instanceof RangeError && error.message.includes(`did you mean ${meant}`),
    );
  }
});

test("errors of ours are unknown, others are thrown on", () => {
  const answer = fromError(new BpfError("no types", { code: "ERR_UNSUPPORTED" }));
  assert.is(answer.state, "unknown");
  assert.is(answer.reason, "no types");
  assert.throws(() => fromError(new TypeError("broken")), /broken/);
});

test.run();
