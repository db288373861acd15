import { existsSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { UnsupportedError } from "../../src/error.ts";
import { bpffs, cgroup2, findTracefs, parseMountInfo, tracefs } from "../../src/sys/paths.ts";
import { kernelTest } from "../helper/kernel.ts";

const test = suite("sys/paths");

const MOUNTS = `22 27 0:20 / /proc rw,nosuid shared:5 - proc proc rw
23 27 0:21 / /sys rw shared:6 - sysfs sysfs rw
30 23 0:7 / /sys/kernel/debug rw,relatime shared:12 master:3 propagate_from:2 - debugfs debugfs rw
31 23 0:12 / /sys/kernel/tracing rw,relatime - tracefs tracefs rw
32 23 0:12 /events /mnt/events rw - tracefs tracefs rw
33 23 0:12 / /mnt/with\\040space\\134x rw - tracefs tracefs rw
broken line
34 23 0:13 / /x rw shared:1
`;

test("mountinfo is read with any number of optional fields", () => {
  const mounts = parseMountInfo(MOUNTS);
  assert.is(mounts.length, 6);
  assert.equal(mounts[2], { root: "/", path: "/sys/kernel/debug", type: "debugfs" });
  assert.equal(mounts[5], { root: "/", path: "/mnt/with space\\x", type: "tracefs" });
});

test("tracefs is found alone, elsewhere, or inside debugfs", () => {
  const mounts = parseMountInfo(MOUNTS);
  const there =
    (...paths: string[]) =>
    (path: string) =>
      paths.includes(path);
  assert.is(
    findTracefs(mounts, () => true),
    "/sys/kernel/tracing",
  );
  assert.is(
    findTracefs([...mounts].reverse(), () => true),
    "/sys/kernel/tracing",
  );
  assert.is(findTracefs(mounts, there("/mnt/with space\\x/events")), "/mnt/with space\\x");
  assert.is(
    findTracefs(mounts, there("/sys/kernel/debug/tracing/events")),
    "/sys/kernel/debug/tracing",
  );
  // A bind mount of a folder of tracefs is not tracefs.
  assert.is(findTracefs(mounts, there("/mnt/events/events")), undefined);
  assert.is(
    findTracefs([], () => true),
    undefined,
  );
});

kernelTest(test, "where they are mounted, or how to mount them", () => {
  for (const [find, feature, inside] of [
    [tracefs, "tracefs", "events"],
    [bpffs, "bpffs", "."],
    [cgroup2, "cgroup2", "cgroup.controllers"],
  ] as const) {
    try {
      assert.ok(existsSync(`${find()}/${inside}`), feature);
      assert.is(find(), find());
    } catch (error) {
      assert.instance(error, UnsupportedError);
      const { message, feature: named } = error as UnsupportedError;
      assert.is(named, feature);
      assert.match(message, "`mount -t ");
    }
  }
});

test("the missing mount is named with its command", () => {
  assert.throws(
    () => tracefs("22 27 0:20 / /proc rw,nosuid shared:5 - proc proc rw\n"),
    (error: unknown) =>
      error instanceof UnsupportedError &&
      error.feature === "tracefs" &&
      error.message.includes("`mount -t tracefs tracefs /sys/kernel/tracing`"),
  );
});

test.run();
