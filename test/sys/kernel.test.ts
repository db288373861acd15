import { readFileSync } from "node:fs";
import { release as osRelease } from "node:os";
import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BpfError } from "../../src/error.ts";
import {
  isOlder,
  onlineCpus,
  pageSize,
  parseCpuList,
  parseRelease,
  possibleCpuList,
  possibleCpus,
  release,
  versionCode,
} from "../../src/sys/kernel.ts";
import { kernelTest } from "../helper/kernel.ts";

const test = suite("sys/kernel");

test("releases are read with any suffix", () => {
  const numbers = (text: string) => {
    const { major, minor, patch } = parseRelease(text);
    return [major, minor, patch];
  };
  assert.equal(numbers("6.18.44-fc"), [6, 18, 44]);
  assert.equal(numbers("5.10.0-46-cloud-amd64"), [5, 10, 0]);
  assert.equal(numbers("6.1"), [6, 1, 0]);
  assert.equal(numbers("7.2-rc3"), [7, 2, 0]);
  assert.equal(numbers("6.12.0+"), [6, 12, 0]);
  assert.equal(numbers("custom"), [0, 0, 0]);
});

test("releases are compared by numbers, not by digits", () => {
  const older = (own: string, other: string) => isOlder(parseRelease(own), other);
  assert.ok(older("5.9.1", "5.10") && older("5.19", "6.1") && older("6.2", "6.12"));
  assert.not.ok(older("5.10.0", "5.10") || older("6.1", "5.19") || older("7.0", "6.18"));
});

test("Debian and Ubuntu hide the patch level, and it is found", () => {
  const debian = parseRelease("5.10.0-46-cloud-amd64", "#1 SMP Debian 5.10.262-1 (2026-03-01)");
  assert.equal(debian, { text: "5.10.0-46-cloud-amd64", major: 5, minor: 10, patch: 262 });
  assert.is(versionCode(debian), 0x050aff);
  const ubuntu = parseRelease(
    "5.15.0-91-generic",
    "#101-Ubuntu SMP Tue Nov 14",
    "Ubuntu 5.15.0-91.101-generic 5.15.131\n",
  );
  assert.is(ubuntu.patch, 131);
  assert.is(versionCode(ubuntu), 0x050f83);
});

test("lists of CPUs", () => {
  assert.equal(parseCpuList("0\n"), [0]);
  assert.equal(parseCpuList("0-3,8"), [0, 1, 2, 3, 8]);
  assert.equal(parseCpuList("8,0-1,1-2\n"), [0, 1, 2, 8]);
  for (const text of ["", "a", "3-1", "0-", "-3", "1,,2", "0-70000", "0-99999999999", "0 1"]) {
    assert.throws(
      () => parseCpuList(text),
      (error: unknown) => error instanceof BpfError && error.code === "ERR_CPU_LIST",
      text,
    );
  }
});

test("lists of CPUs round trip", () => {
  const runs = fc.array(fc.tuple(fc.nat(3000), fc.nat(40)), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(runs, (list) => {
      const expected = new Set<number>();
      for (const [from, more] of list) {
        for (let cpu = from; cpu <= from + more; cpu++) expected.add(cpu);
      }
      const text = list.map(([from, more]) => (more === 0 ? `${from}` : `${from}-${from + more}`));
      assert.equal(
        parseCpuList(text.join(",")),
        [...expected].sort((a, b) => a - b),
      );
    }),
  );
});

kernelTest(test, "the running kernel", () => {
  const running = release();
  assert.is(running.text, osRelease());
  assert.ok(running.major >= 4);
  assert.ok(osRelease().startsWith(`${running.major}.${running.minor}`));
  assert.is(possibleCpus(), possibleCpuList().length);
  assert.ok(onlineCpus().every((cpu) => possibleCpuList().includes(cpu)));
  const inCpuInfo = readFileSync("/proc/stat", "utf8").match(/^cpu\d+ /gm)?.length;
  assert.is(onlineCpus().length, inCpuInfo);
  assert.is(pageSize() % 4096, 0);
});

test.run();
