import { readdirSync } from "node:fs";
import { createServer } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Kind } from "../../btf/index.ts";
import { type IteratorOptions, iterator } from "../../links/iterator.ts";
import { alu, call, jumpIf, label, load, type Statement, store } from "../../src/asm/index.ts";
import { UnsupportedError } from "../../src/error.ts";
import { mapCreate } from "../../src/sys/bpf.ts";
import { kernelBtf } from "../../src/sys/kernel-btf.ts";
import { MapAccess } from "../../src/sys/map-access.ts";
import { cgroup2 } from "../../src/sys/paths.ts";
import { AttachType, MapType, ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { inOwnCgroup } from "./cgroups.ts";
import { Counter } from "./counter.ts";
import { hasCode, isA } from "./errors.ts";
import { inOwnNetwork } from "./network.ts";

const test = suite("links/iterator");

/** Has 4 bytes of what r2 points to written, or 8 of the stack where that is no buffer. */
function write(of: string): Statement[] {
  const isBuffer = of === "bpf_map_elem";
  const stack = [store("u64", "r10", -8, 7), alu("r2", "=", "r10"), alu("r2", "+=", -8)];
  return [
    ...(isBuffer ? [] : stack),
    load("r1", "u64", "r6", 0),
    load("r1", "u64", "r1", 0),
    alu("r3", "=", isBuffer ? 4 : 8),
    call("seq_write"),
  ];
}

/** Runs for each object, which the context has at `at`. */
function counter(of: string, at: number): Counter {
  const attachBtfId = kernelBtf().find(`bpf_iter_${of}`, Kind.FUNC);
  if (attachBtfId === undefined) throw new UnsupportedError(of, { feature: of, since: "6.1" });
  return new Counter({
    type: ProgramType.TRACING,
    attachType: AttachType.TRACE_ITER,
    attachTo: of,
    attachBtfId,
    before: [load("r2", "u64", "r6", at), jumpIf("r2", "==", 0, "end"), ...write(of)],
    after: [label("end"), alu("r0", "=", 0)],
  });
}

kernelTest(test, "sockets of another network namespace", async () => {
  await assertNothingLeft(async () => {
    using program = counter("tcp", 8);
    using tasks = counter("task", 8);
    await inOwnNetwork(async (inner) => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const path = `/proc/self/fd/${inner.fd.number}`;
      await inOwnNetwork(() => {
        using here = iterator(program.program);
        assert.is(here.bytes().length, 0);
        for (const namespace of [inner, path]) {
          using there = iterator(program.program, { namespace });
          // 8 bytes for the socket that listens.
          assert.is(there.bytes().length, 8);
          assert.is(here.bytes().length, 0);
          there.close();
          assert.throws(() => there.bytes(), hasCode("ERR_CLOSED"));
        }
        assert.throws(() => iterator(program.program, { namespace: "/no" }), hasCode("ENOENT"));
        assert.throws(
          () => iterator(tasks.program, { namespace: inner }),
          /namespace is for iterators of tcp, .* and this one is of task$/,
        );
      });
      await new Promise((resolve) => server.close(resolve));
    });
  });
});

kernelTest(test, "elements of a map: bytes, text, a stream, again and again", async () => {
  await assertNothingLeft(async () => {
    using keys = counter("bpf_map_elem", 16);
    using values = counter("bpf_map_elem", 24);
    const shape = { type: MapType.ARRAY, keySize: 4, valueSize: 4, maxEntries: 3 };
    using fd = mapCreate(shape, "map letters");
    const access = new MapAccess(fd, 4, 4);
    for (let i = 0; i < 3; i++) {
      access.key.set([i, 0, 0, 0]);
      access.value.set(new TextEncoder().encode("abc ".replace("b", String(i))));
      access.update();
    }
    using link = iterator(keys.program, { map: { fd } });
    assert.is(link.description, "count to iterator bpf_map_elem");
    assert.equal([...link.bytes()], [0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]);
    assert.is(keys.count, 3);
    const { details } = link.info();
    assert.is(details.kind, "iter");
    assert.ok(details.kind === "iter" && details.target === "bpf_map_elem" && details.mapId > 0);

    link.update(values.program, { expected: keys.program });
    assert.is(link.text(), "a0c a1c a2c ");
    let text = "";
    for await (const chunk of link.create().setEncoding("utf8")) text += chunk;
    assert.is(text, "a0c a1c a2c ");
    assert.is(keys.count, 3);
    link.create().destroy();
    link.close();
    assert.throws(() => link.text(), hasCode("ERR_CLOSED"));
  });
});

kernelTest(test, "more output than one read takes, and all tasks", async () => {
  await assertNothingLeft(async () => {
    using values = counter("bpf_map_elem", 24);
    const maxEntries = 20_000;
    const shape = { type: MapType.ARRAY, keySize: 4, valueSize: 4, maxEntries };
    using fd = mapCreate(shape, "map many");
    using many = iterator(values.program, { map: { fd } });
    assert.is(many.bytes().length, 4 * maxEntries);
    let bytes = 0;
    for await (const chunk of many.create()) bytes += (chunk as Uint8Array).length;
    assert.is(bytes, 4 * maxEntries);
    // It runs again for an element whose output did not fit any more.
    assert.ok(values.count >= 2 * maxEntries);

    using tasks = counter("task", 8);
    using link = iterator(tasks.program);
    // Of those that were there before and after, all were there meanwhile.
    const processes = () => readdirSync("/proc").filter((name) => /^\d+$/.test(name));
    const before = processes();
    const walked = link.bytes().length / 8;
    const after = new Set(processes());
    const sure = before.filter((name) => after.has(name)).length;
    assert.ok(sure > 0 && walked >= sure, `${walked} tasks of ${sure}`);
    assert.ok(tasks.count >= sure);
    assert.equal((link.info().details as { target: string }).target, "task");
  });
});

for (const [name, options, expected] of [
  ["of a process", { pid: process.pid }, () => readdirSync("/proc/self/task").length],
  ["by its number", { tid: process.pid }, () => 1],
] as [string, IteratorOptions, () => number][]) {
  const needs = { needs: "iterators of single processes", since: "6.1" };
  kernelTest(test, `tasks ${name}`, needs, () => {
    using tasks = counter("task", 8);
    using link = iterator(tasks.program, options);
    // Threads of a pool may begin and end.
    let seen: number;
    let count: number;
    do {
      count = expected();
      seen = link.bytes().length / 8;
    } while (expected() !== count);
    assert.is(seen, count);
    const { details } = link.info();
    assert.ok(details.kind === "iter" && details.processId + details.threadId > 0);
  });
}

const FILES = { needs: "iterators of files and memory of single processes", since: "6.1" };
kernelTest(test, "files and memory of a process, and of a task", FILES, () => {
  for (const of of ["task_file", "task_vma"]) {
    using walked = counter(of, 8);
    for (const option of ["pid", "tid"] as const) {
      using link = iterator(walked.program, { [option]: process.pid });
      assert.ok(link.bytes().length > 0);
      const { details } = link.info();
      assert.ok(details.kind === "iter" && details.processId + details.threadId === process.pid);
    }
  }
});

kernelTest(test, "a map of sockets", () => {
  using fd = mapCreate({ type: MapType.SOCKMAP, keySize: 4, valueSize: 4, maxEntries: 1 }, "map");
  using sockets = counter("sockmap", 24);
  using link = iterator(sockets.program, { map: { fd } });
  assert.is(link.bytes().length, 0);
  const { details } = link.info();
  assert.ok(details.kind === "iter" && details.mapId > 0);
});

kernelTest(test, "cgroups", { needs: "iterators of cgroups", since: "6.1" }, async () => {
  using groups = counter("cgroup", 8);
  await inOwnCgroup((path) => {
    using own = iterator(groups.program, { cgroup: path, order: "self" });
    assert.is(own.bytes().length, 8);
    using up = iterator(groups.program, { cgroup: path, order: "ancestors" });
    assert.ok(up.bytes().length >= 16);
    const { details } = own.info();
    assert.ok(details.kind === "iter" && details.cgroupId > 0n);
    using all = iterator(groups.program, { cgroup: cgroup2() });
    assert.ok(all.bytes().length >= 16);
  });
});

kernelTest(test, "misuse is named", () => {
  using program = counter("bpf_map_elem", 16);
  assert.throws(() => iterator(program.program), /give it as the option \{ map \}/);
  assert.throws(() => iterator(program.program, { pid: 1, tid: 1 }), isA(TypeError));
  assert.throws(() => iterator(program.program, { order: "self" }), isA(TypeError));
  assert.throws(() => iterator(program.program, { pid: 0 }), isA(RangeError));
  // The kernel would take the number of the map for that of a thread, and walk that alone, or all.
  using tasks = counter("task", 8);
  using sockets = counter("tcp", 8);
  const shape = { type: MapType.HASH, keySize: 4, valueSize: 4, maxEntries: 1 };
  using fd = mapCreate(shape, "map walked");
  for (const [of, options, name] of [
    [tasks, { map: { fd } }, "map"],
    [sockets, { map: { fd } }, "map"],
    [sockets, { pid: process.pid }, "pid"],
    [program, { tid: fd.number }, "tid"],
    [tasks, { cgroup: cgroup2() }, "cgroup"],
  ] as const) {
    const refusal = new RegExp(`: ${name} is for iterators of .*, and this one is of`);
    assert.throws(() => iterator(of.program, options), refusal);
  }
  using other = new Counter({ type: ProgramType.SOCKET_FILTER });
  assert.throws(() => iterator(other.program), isA(TypeError));
});

test.run();
