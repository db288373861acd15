import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { AttachableProgram } from "../../links/arguments.ts";
import { kprobe, ksyscall, rawTracepoint, tracepoint, tracing, uprobe } from "../../links/index.ts";
import { uprobePlace } from "../../links/uprobe.ts";
import { isTarget } from "./errors.ts";

const test = suite("links/arguments");

test("a program that is not there is a TypeError that says so", () => {
  const programs: Record<string, AttachableProgram> = {};
  const program = programs["misspelt"] as AttachableProgram;
  for (const attach of [
    () => uprobe(program, "/bin/sh", { offset: 0 }),
    () => kprobe(program, "vfs_open"),
    () => ksyscall(program, "clone"),
    () => tracepoint(program, "sched:sched_switch"),
    () => rawTracepoint(program, "sched_switch"),
    () => tracing(program),
    () => kprobe(null as unknown as AttachableProgram, "vfs_open"),
    () => kprobe("on_open" as unknown as AttachableProgram, "vfs_open"),
  ]) {
    assert.throws(
      attach,
      (error: unknown) =>
        error instanceof TypeError &&
        /^cannot attach to a .*: no program was given(?:, but (?:null|"on_open"))?; is its name misspelt\?$/.test(
          error.message,
        ),
    );
  }
});

test("a file without a place for a uprobe: the error names the options", () => {
  assert.throws(() => uprobePlace("libc.so.6", {}), isTarget("ERR_TARGET"));
  assert.throws(
    () => uprobePlace("libc.so.6", {}),
    /"libc\.so\.6".*\{ symbol \}, \{ address \} or \{ offset \}, or write PATH:SYMBOL/,
  );
});

test.run();
