import { fstatSync, readFileSync, readlinkSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BpfError } from "../../src/error.ts";
import { FileDescriptor } from "../../src/sys/fd.ts";
import { openFile } from "../../src/sys/file.ts";
import { isA } from "../helper/errors.ts";
import { hostTest, kernelTest } from "../helper/kernel.ts";
import { runChild } from "./child.ts";

const test = suite("sys/fd");

function isOpen(number: number): boolean {
  try {
    fstatSync(number);
    return true;
  } catch {
    return false;
  }
}

kernelTest(test, "close is idempotent, and a closed handle names itself", () => {
  const fd = openFile("/dev/null", "map events");
  const { number } = fd;
  assert.ok(isOpen(number));
  assert.not(fd.closed);
  fd.close();
  fd.close();
  assert.ok(fd.closed);
  assert.not(isOpen(number));
  for (const use of [
    () => fd.number,
    () => fd.duplicate(),
    () => fd.hold(),
    () => fd.onClose(() => {}),
  ]) {
    assert.throws(
      use,
      (error: unknown) =>
        error instanceof BpfError &&
        error.code === "ERR_CLOSED" &&
        /map events/.test(error.message),
    );
  }
});

kernelTest(test, "closing again never closes the number's next owner", async () => {
  const first = openFile("/dev/null");
  const { number } = first;
  first.close();
  const second = openFile("/dev/zero");
  assert.is(second.number, number);
  first.close();
  await first.closeAsync();
  first[Symbol.dispose]();
  assert.is(readlinkSync(`/proc/self/fd/${number}`), "/dev/zero");
  second.close();
});

kernelTest(test, "a duplicate is another number, closed on exec, and lives on its own", () => {
  const fd = openFile("/dev/zero");
  const copy = fd.duplicate();
  assert.is.not(copy.number, fd.number);
  fd.close();
  assert.is(readlinkSync(`/proc/self/fd/${copy.number}`), "/dev/zero");
  const flags = /^flags:\s*([0-7]+)$/m.exec(
    readFileSync(`/proc/self/fdinfo/${copy.number}`, "utf8"),
  )?.[1];
  assert.is(Number.parseInt(flags ?? "0", 8) & 0o2000000, 0o2000000);
  copy.close();
});

kernelTest(test, "closing again waits for the first closing", async () => {
  const fd = openFile("/dev/null", "map events");
  const { number } = fd;
  const release = fd.hold();
  const order: string[] = [];
  const closings = ["first", "second"].map((name) => fd.closeAsync().then(() => order.push(name)));
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(order, []);
  assert.ok(isOpen(number));
  release();
  await Promise.all(closings);
  assert.equal(order, ["first", "second"]);
  assert.not(isOpen(number));
});

kernelTest(
  test,
  "a hold keeps the number through close and closeAsync, until its release",
  async () => {
    const fd = openFile("/dev/zero");
    const { number } = fd;
    const [first, second] = [fd.hold(), fd.hold()];
    fd.close();
    assert.ok(fd.closed);
    first();
    first();
    assert.ok(isOpen(number));
    second();
    assert.not(isOpen(number));

    const other = openFile("/dev/zero");
    const otherNumber = other.number;
    const release = other.hold();
    let closed = false;
    const closing = other.closeAsync().then(() => {
      closed = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.ok(other.closed);
    assert.ok(isOpen(otherNumber));
    assert.not(closed);
    release();
    await closing;
    assert.not(isOpen(otherNumber));
  },
);

kernelTest(test, "listeners hear of closing once, unless they took that back", () => {
  const fd = openFile("/dev/null");
  let heard = 0;
  fd.onClose(() => {
    heard++;
    assert.not(fd.closed);
  });
  fd.onClose(() => assert.unreachable())();
  fd.close();
  fd.close();
  assert.is(heard, 1);
});

kernelTest(test, "many descriptors close asynchronously", async () => {
  const fds = Array.from({ length: 600 }, () => openFile("/dev/null"));
  const numbers = fds.map((fd) => fd.number);
  await Promise.all(fds.map((fd) => fd.closeAsync()));
  assert.is(numbers.filter(isOpen).length, 0);
});

kernelTest(test, "what is no descriptor is refused", () => {
  for (const number of [-1, 1.5, 4.5, Number.NaN]) {
    assert.throws(() => new FileDescriptor(number, "map x"), isA(RangeError));
  }
});

hostTest(test, "numbers of the standard streams are not kept", async () => {
  const result = await runChild(`
    import { closeSync, fstatSync, readFileSync } from "node:fs";
    const { mapCreate } = await sys("bpf");
    closeSync(0);
    const map = mapCreate({ type: 2, keySize: 4, valueSize: 4, maxEntries: 1 }, "map x");
    const copy = map.duplicate();
    let zero = "open";
    try { fstatSync(0); } catch (error) { zero = error.code; }
    const flags = [map, copy].map(({ number }) =>
      /^flags:\\s*([0-7]+)$/m.exec(readFileSync("/proc/self/fdinfo/" + number, "utf8"))[1]);
    const closedOnExec = flags.map((text) => (Number.parseInt(text, 8) & 0o2000000) !== 0);
    console.log(map.number >= 3, copy.number >= 3, zero, ...closedOnExec);
    map.close();
    copy.close();
  `);
  assert.is(result.stdout, "true true EBADF true true\n", result.stderr);
});

hostTest(test, "a descriptor that others closed is an error, not a silence", async () => {
  const result = await runChild(`
    const { FileDescriptor } = await sys("fd");
    const fd = new FileDescriptor(900, "map stolen");
    try { fd.close(); } catch (error) { console.log(error.code, error.message); }
    fd.close();
  `);
  assert.match(result.stdout, /^EBADF close map stolen/, result.stderr);
});

hostTest(test, "what holds a descriptor is not given to another thread as something empty", () => {
  using fd = openFile("/dev/null", "map shared");
  const map = { name: "shared", fd };
  assert.throws(
    () => structuredClone(map),
    (error: unknown) =>
      error instanceof DOMException &&
      error.name === "DataCloneError" &&
      /another opens the map, program or link by its id or pin/.test(error.message),
  );
});

const LEAK = `
  const { openFile } = await sys("file");
  const { mapCreate } = await sys("bpf");
  const { Mapping } = await sys("mapping");
  function forgetful() {
    openFile("/dev/null", "cgroup lost");
    openFile("/dev/null", "cgroup kept").close();
    const map = mapCreate({ type: 2, keySize: 4, valueSize: 8, maxEntries: 1, flags: 0x400 }, "map x");
    Mapping.map(map, 4096, { writable: true });
    map.close();
  }
  let warnings = 0;
  process.on("warning", () => warnings++);
  forgetful();
  // What is not asked for is waited for a little, what is as long as it takes.
  const rounds = process.env.NODE_DEBUG === "" ? 5 : 1000;
  for (let i = 0; i < rounds && warnings < 2; i++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
`;

hostTest(test, "NODE_DEBUG=ebpf names what leaked and where it was opened", async () => {
  const result = await runChild(LEAK, { flags: ["--expose-gc"], env: { NODE_DEBUG: "ebpf" } });
  assert.is(result.status, 0);
  assert.match(result.stderr, "[EBPF_LEAK] EbpfLeakWarning: cgroup lost was not closed");
  assert.match(result.stderr, "mapping of map x was not closed");
  assert.match(result.stderr, "at forgetful");
  assert.not.match(result.stderr, "cgroup kept");
});

hostTest(test, "by default nothing is said of leaks", async () => {
  const result = await runChild(LEAK, { flags: ["--expose-gc"], env: { NODE_DEBUG: "" } });
  assert.is(result.status, 0);
  assert.is(result.stderr, "");
});

test.run();
