import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  bpfPrivileges,
  explain,
  lockdown,
  perfPrivileges,
  uprobePrivileges,
} from "../../links/explain.ts";
import { SyscallError } from "../../src/error.ts";
import { CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON, CAP_SYS_ADMIN } from "../../src/sys/capabilities.ts";

const test = suite("links/explain");

const failure = new SyscallError("open event", { errno: 13, syscall: "perf_event_open" });

test("puts the reason beside what was attempted, and keeps the error", () => {
  const error = explain(failure, "cannot attach", { EACCES: () => "for a reason" });
  if (!(error instanceof SyscallError)) throw error;
  assert.is(error.message, "cannot attach (for a reason): EACCES, permission denied");
  assert.equal([error.code, error.errno, error.syscall], ["EACCES", 13, "perf_event_open"]);
  assert.is(error.cause, failure);
});

test("leaves out what it does not know, and other errors alone", () => {
  const error = explain(failure, "cannot attach", { EPERM: "no" });
  assert.is((error as Error).message, "cannot attach: EACCES, permission denied");
  const other = new TypeError("x");
  assert.is(explain(other, "cannot attach", { EACCES: "no" }), other);
});

test("names capabilities and the setting that decides", () => {
  assert.match(perfPrivileges(), /CAP_PERFMON/);
  if (process.platform === "linux") assert.match(perfPrivileges(), /perf_event_paranoid is -?\d/);
  assert.match(bpfPrivileges(), /CAP_BPF and CAP_PERFMON/);
});

test("a uprobe needs more than CAP_PERFMON, which is not blamed where it is there", () => {
  const both = (1n << CAP_BPF) | (1n << CAP_PERFMON);
  assert.match(uprobePrivileges(both), /^it needs CAP_SYS_ADMIN since Linux 6\.16/);
  assert.match(uprobePrivileges(both), /uprobe\.multi \(Linux 6\.6\) does with CAP_BPF/);
  assert.match(uprobePrivileges(1n << CAP_NET_ADMIN), /needs CAP_PERFMON.*CAP_SYS_ADMIN since/);
  assert.is(uprobePrivileges(1n << CAP_SYS_ADMIN), perfPrivileges());
});

test("names lockdown where there is one", () => {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-lockdown-"));
  try {
    const path = join(folder, "lockdown");
    const said = ["none [integrity] confidentiality\n", "[none] integrity\n"].map((text) => {
      writeFileSync(path, text);
      return lockdown(path);
    });
    assert.equal(said, ['; kernel lockdown is "integrity"', ""]);
    assert.is(lockdown(join(folder, "absent")), "");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
