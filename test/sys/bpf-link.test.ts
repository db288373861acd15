import { spawnSync } from "node:child_process";
import { readFileSync, realpathSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Kind } from "../../btf/index.ts";
import { ElfFile } from "../../elf/index.ts";
import { viewOf } from "../../src/bytes.ts";
import {
  iteratorCreate,
  linkCreate,
  linkDetach,
  linkUpdate,
  objectInfo,
  programAttach,
  programDetach,
  programQuery,
  rawTracepointOpen,
  taskFdQuery,
} from "../../src/sys/bpf.ts";
import type { FileDescriptor } from "../../src/sys/fd.ts";
import { openDirectory, readInto } from "../../src/sys/file.ts";
import { kernelBtf } from "../../src/sys/kernel-btf.ts";
import { cgroup2 } from "../../src/sys/paths.ts";
import { perfEventOpen } from "../../src/sys/perf.ts";
import { AttachType, ProgramType } from "../../src/uapi.ts";
import { kernelTest } from "../helper/kernel.ts";
import { codeOf, counter, counting, idOf, load, returning } from "./programs.ts";

const test = suite("sys/bpf-link");

kernelTest(test, "a raw tracepoint fires while its descriptor is open", () => {
  const { map, count } = counter();
  const program = load(counting(map), { type: ProgramType.RAW_TRACEPOINT });
  const link = rawTracepointOpen(program, "sys_enter", undefined, "link sys_enter");
  const before = count();
  for (let index = 0; index < 20; index++) count();
  assert.ok(count() - before >= 20n);
  link.close();
  const after = count();
  assert.is(count(), after);
  assert.throws(
    () => rawTracepointOpen(program, "no_such_tracepoint", undefined, "link none"),
    /attach program test: create link none: ENOENT/,
  );
  program.close();
  map.close();
});

kernelTest(test, "links are updated and detached", () => {
  const cgroup = openDirectory(cgroup2(), "root cgroup");
  const [first, second] = [returning(1), returning(1)].map((instructions) =>
    load(instructions, {
      type: ProgramType.CGROUP_SKB,
      expectedAttachType: AttachType.CGROUP_INET_EGRESS,
    }),
  ) as [FileDescriptor, FileDescriptor];
  const attachType = AttachType.CGROUP_INET_EGRESS;
  const attached = () => [...programQuery({ target: cgroup, attachType }).programIds];
  const link = linkCreate({ program: first, target: cgroup, attachType }, "link egress");
  assert.ok(attached().includes(idOf(first)));
  linkUpdate(link, { replacement: second, expected: first });
  assert.ok(attached().includes(idOf(second)));
  assert.not(attached().includes(idOf(first)));
  assert.is(
    codeOf(() => linkUpdate(link, { replacement: first, expected: first })),
    "EPERM",
  );
  linkDetach(link);
  assert.not(attached().includes(idOf(second)));
  link.close();
  const MULTI = 0x2;
  programAttach({ target: cgroup, program: first, attachType, flags: MULTI });
  assert.ok(attached().includes(idOf(first)));
  programDetach({ target: cgroup, program: first, attachType });
  assert.not(attached().includes(idOf(first)));
  assert.throws(
    () => programDetach({ target: cgroup, program: first, attachType }),
    /detach program test from root cgroup: ENOENT/,
  );
  for (const fd of [first, second, cgroup]) fd.close();
});

const PERF_LINKS = { needs: "links of perf events", since: "5.15" };

kernelTest(
  test,
  "a link to a perf event carries a cookie and is told by the event",
  PERF_LINKS,
  () => {
    const event = perfEventOpen({ type: 1, config: 0, samplePeriod: 1_000_000 }, -1, 0);
    const program = load(returning(0), { type: ProgramType.PERF_EVENT });
    const link = linkCreate(
      { program, target: event, attachType: AttachType.PERF_EVENT, cookie: 0x1122334455n },
      "link clock",
    );
    // struct bpf_link_info: type, id, prog_id, then perf_event.
    const info = new Uint8Array(48);
    objectInfo(link, info);
    assert.is(viewOf(info).getUint32(0, true), 7);
    assert.is(viewOf(info).getUint32(8, true), idOf(program));
    assert.is(
      codeOf(() => taskFdQuery(event)),
      "EOPNOTSUPP",
      "a counter is no tracepoint, and the kernel says so",
    );
    for (const fd of [link, program, event]) fd.close();
  },
);

kernelTest(test, "an iterator runs over tasks and is read to its end", () => {
  const { map, count } = counter();
  const program = load(counting(map), {
    type: ProgramType.TRACING,
    expectedAttachType: AttachType.TRACE_ITER,
    attachBtfId: kernelBtf().find("bpf_iter_task", Kind.FUNC),
  });
  const link = linkCreate({ program, attachType: AttachType.TRACE_ITER }, "link tasks");
  const run = iteratorCreate(link, "iterator of tasks");
  const bytes = new Uint8Array(4096);
  while (readInto(run, bytes) > 0) assert.unreachable("the program prints nothing");
  assert.ok(count() > 10n);
  for (const fd of [run, link, program, map]) fd.close();
});

kernelTest(test, "the number of a multi link's symbols and cookies must agree", () => {
  const program = load(returning(0), {
    type: ProgramType.KPROBE,
    expectedAttachType: AttachType.TRACE_KPROBE_MULTI,
  });
  const attachType = AttachType.TRACE_KPROBE_MULTI;
  const cookies = new BigUint64Array(1);
  assert.throws(
    () =>
      linkCreate(
        { program, attachType, kprobeMulti: { symbols: ["a", "b"], cookies } },
        "link multi",
      ),
    /1 cookies for 2 places/,
  );
  const offsets = new BigUint64Array([1n, 2n]);
  assert.throws(
    () =>
      linkCreate(
        { program, attachType, uprobeMulti: { path: "/bin/true", offsets, cookies } },
        "link multi",
      ),
    /1 cookies for 2 places/,
  );
  program.close();
});

const UPROBE_MULTI = { needs: "uprobe_multi", since: "6.6" };

kernelTest(test, "one link probes several places of a file", UPROBE_MULTI, () => {
  const shell = realpathSync("/bin/sh");
  const { map, count } = counter();
  const attachType = AttachType.TRACE_UPROBE_MULTI;
  const program = load(counting(map), {
    type: ProgramType.KPROBE,
    expectedAttachType: attachType,
  });
  const elf = ElfFile.parse(readFileSync(shell));
  const entry = Number(elf.entry);
  const segment = elf.segments.find(
    ({ type, address, fileSize }) =>
      type === 1 && Number(address) <= entry && entry < Number(address) + Number(fileSize),
  );
  assert.ok(segment);
  const offset = BigInt(entry - Number(segment?.address) + Number(segment?.offset));
  const link = linkCreate(
    {
      program,
      attachType,
      uprobeMulti: {
        path: shell,
        offsets: BigUint64Array.of(offset),
        cookies: BigUint64Array.of(7n),
      },
    },
    "link entry",
  );
  const before = count();
  for (let run = 0; run < 3; run++) spawnSync(shell, ["-c", ":"]);
  assert.ok(count() - before >= 3n);
  for (const fd of [link, program, map]) fd.close();
});

test.run();
