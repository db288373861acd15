import { mkdtempSync, rmdirSync, statSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { rawTracepoint } from "../../links/index.ts";
import { linkInfo } from "../../links/info.ts";
import { alu, assemble, exit } from "../../src/asm/index.ts";
import { linkCreate, programLoad } from "../../src/sys/bpf.ts";
import { openDirectory } from "../../src/sys/file.ts";
import { cgroup2 } from "../../src/sys/paths.ts";
import { AttachType, ProgramType } from "../../src/uapi.ts";
import { bpftool, bpftoolTest } from "../helper/bpftool.ts";
import { ebpf } from "../helper/cli.ts";
import { ebpfHere } from "../helper/in-process.ts";
import { kernelTest } from "../helper/kernel.ts";
import { Counter } from "../links/counter.ts";

const test = suite("cli: link");
const type = ProgramType.RAW_TRACEPOINT;

interface Listed {
  id: number;
  type: string;
  prog_id: number;
  name: string;
  tp_name?: string;
  attach_type?: string;
  cgroup_id?: number;
  pids?: { pid: number }[];
}

async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await ebpfHere(["link", ...args, "--json"]);
  assert.is(code, 0, stderr);
  return JSON.parse(stdout) as T;
}

kernelTest(test, "list and show tell what is attached where", async () => {
  using counter = new Counter({ type });
  using link = rawTracepoint(counter.program, "sched_process_fork");
  const { id } = link.info();
  const listed = (await json<Listed[]>("list")).find((one) => one.id === id)!;
  assert.is(listed.type, "raw_tracepoint");
  assert.is(listed.tp_name, "sched_process_fork");
  assert.is(listed.name, "count");
  assert.is(listed.prog_id, link.info().programId);
  assert.ok(listed.pids!.some(({ pid }) => pid === process.pid));
  const shown = await ebpfHere(["link", "show", String(id)]);
  assert.match(shown.stdout, new RegExp(`^link ${id}\n  type: raw_tracepoint\n`));
  assert.match(shown.stdout, /^ {2}tp_name: sched_process_fork$/m);
  assert.is(shown.stderr, "");
});

kernelTest(test, "detach says which kinds the kernel keeps", async () => {
  using counter = new Counter({ type });
  using link = rawTracepoint(counter.program, "sched_process_fork");
  const { id } = link.info();
  const { code, stderr } = await ebpfHere(["link", "detach", "id", String(id)]);
  assert.is(code, 1);
  assert.match(stderr, /cannot take raw_tracepoint links from their hook.*EOPNOTSUPP/);
});

const CGROUPS = { needs: "cgroup links", config: "CONFIG_CGROUP_BPF" };

kernelTest(test, "detach takes a link from its hook, whoever holds it", CGROUPS, async () => {
  const path = mkdtempSync(`${cgroup2()}/ebpf-cli-link-`);
  try {
    const attachType = AttachType.CGROUP_INET_EGRESS;
    const instructions = assemble([alu("r0", "=", 1), exit()]).bytes;
    const { fd } = programLoad({
      type: ProgramType.CGROUP_SKB,
      expectedAttachType: attachType,
      license: "GPL",
      instructions,
    });
    const cgroup = openDirectory(path);
    const link = linkCreate({ program: fd!, target: cgroup, attachType }, "link egress");
    try {
      const { id } = linkInfo(link);
      const listed = (await json<Listed[]>("list")).find((one) => one.id === id)!;
      assert.equal([listed.type, listed.attach_type], ["cgroup", "cgroup_inet_egress"]);
      assert.is(listed.cgroup_id, statSync(path).ino);
      assert.equal(await json("detach", String(id)), { id, type: "cgroup", detached: true });
      // It is still open here, and says that it has no cgroup any more.
      assert.is((await json<Listed>("show", String(id))).type, "cgroup");
      assert.is((await ebpfHere(["link", "detach", String(id)])).code, 0);
    } finally {
      for (const one of [link, cgroup, fd!]) one.close();
    }
  } finally {
    rmdirSync(path);
  }
});

bpftoolTest(test, "members are bpftool's", async () => {
  using counter = new Counter({ type });
  using link = rawTracepoint(counter.program, "sched_process_fork");
  const id = String(link.info().id);
  const ours = await json<Record<string, unknown>>("show", "id", id);
  const theirs = bpftool("link", "show", "id", id) as Record<string, unknown>;
  for (const [name, value] of Object.entries(theirs)) {
    if (name !== "pids") assert.equal(ours[name], value, name);
  }
});

test("misuse is refused by name", () => {
  const name = ebpf(["link", "detach", "name", "x"]);
  assert.is(name.code, 2);
  assert.match(name.stderr, /takes a number or a path/);
  const which = ebpf(["link", "detach"]);
  assert.is(which.code, 2);
  assert.match(which.stderr, /which link\?/);
});

test.run();
