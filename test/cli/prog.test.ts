import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CommandError } from "../../src/cli/command.ts";
import { holdersOf } from "../../src/cli/holders.ts";
import { type ObjectKind, readObjects, readSelector } from "../../src/cli/kernel-objects.ts";
import { CollectionSpec } from "../../src/collection.ts";
import { SyscallError } from "../../src/error.ts";
import type { FileDescriptor } from "../../src/sys/bpf.ts";
import { bpffs } from "../../src/sys/paths.ts";
import { bpftool, bpftoolTest } from "../helper/bpftool.ts";
import { CLI, ebpf } from "../helper/cli.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { ebpfHere } from "../helper/in-process.ts";
import { kernelTest } from "../helper/kernel.ts";
import { SLOWNESS } from "../helper/slowness.ts";

const test = suite("cli: prog");

async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await ebpfHere([...args, "--json"]);
  assert.is(code, 0, stderr);
  return JSON.parse(stdout) as T;
}

function objects() {
  return CollectionSpec.fromFile(fixturePath("globals.clang22.el.o")).load();
}

interface Listed {
  id: number;
  type: string;
  name: string;
  tag: string;
  loaded_at: number;
  bytes_xlated: number;
  map_ids: number[];
  btf_id: number;
  pids?: { pid: number; comm: string }[];
}

interface Line {
  slot: number;
  proto?: string;
  src?: string;
  file?: string;
  line?: number;
  disasm: string;
}

kernelTest(test, "list, show and dump tell of a loaded program", async () => {
  await using bpf = await objects();
  const program = bpf.programs["add"]!;
  const { id } = program.info();
  const listed = (await json<Listed[]>("prog", "list")).find((one) => one.id === id)!;
  assert.is(listed.type, "socket_filter");
  assert.is(listed.name, "add");
  assert.match(listed.tag, /^[0-9a-f]{16}$/);
  assert.is(listed.map_ids.length, Object.keys(bpf.maps).length);
  assert.ok(Math.abs(listed.loaded_at - Date.now() / 1000) < 600, String(listed.loaded_at));
  assert.ok(listed.pids!.some(({ pid }) => pid === process.pid));

  const lines = await json<Line[]>("prog", "dump", "id", String(id));
  assert.is(lines[0]!.proto, "int add(void *skb)");
  assert.ok(lines.some(({ src }) => src === "runs++;"));
  const bss = bpf.maps[".bss"]!.id;
  assert.ok(lines.some(({ disasm }) => disasm === `(18) r1 = map[id:${bss}][0]+0`));
  assert.is(lines.at(-1)!.disasm, "(95) exit");
  const last = lines.at(-1)!.slot;
  assert.is((last + 1) * 8, listed.bytes_xlated);

  const { stdout, stderr } = await ebpfHere(["prog", "dump", "xlated", String(id)]);
  assert.match(stdout, /^int add\(void \*skb\):\n; runs\+\+; @ globals\.bpf\.c:\d+\n {3}0: \(18\)/);
  assert.is(stderr, "");
  const shown = (await ebpfHere(["prog", "show", String(id)])).stdout;
  assert.match(shown, new RegExp(`^program ${id} add\n(?:  .*\n)*  tag: ${listed.tag}\n`));
  const name = readFileSync("/proc/self/comm", "utf8").trim();
  assert.match(shown, new RegExp(`^  held_by: .*${name}\\S*\\(${process.pid}\\)`, "m"));
});

kernelTest(test, "what is not there, and what is something else, is refused by name", async () => {
  await using bpf = await objects();
  const missing = await ebpfHere(["prog", "show", "4294967294"]);
  assert.is(missing.code, 1);
  assert.match(missing.stderr, /^there is no program with the id 4294967294: ENOENT/);
  const unknown = await ebpfHere(["prog", "dump", "name", "no_such_name"]);
  assert.is(unknown.code, 1);
  assert.match(unknown.stderr, /^there is no program with the name no_such_name$/m);
  const pins = mkdtempSync(`${bpffs()}/ebpf-cli-prog-`);
  try {
    bpf.programs["add"]!.pin(`${pins}/add`);
    bpf.maps[".bss"]!.pin(`${pins}/bss`);
    const { id } = bpf.programs["add"]!.info();
    assert.is((await json<Listed>("prog", "show", `${pins}/add`)).id, id);
    const map = await ebpfHere(["prog", "show", "pinned", `${pins}/bss`]);
    assert.is(map.code, 1);
    assert.match(map.stderr, /bss as a program: it is a map/);
  } finally {
    rmSync(pins, { recursive: true });
  }
  const elsewhere = await ebpfHere(["prog", "show", "/etc/passwd"]);
  assert.is(elsewhere.code, 1);
  assert.match(elsewhere.stderr, /\/etc\/passwd is in no BPF file system/);
});

kernelTest(test, "without privileges the error names what is missing", async () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, "prog", "list"], {
    encoding: "utf8",
    timeout: 60_000 * SLOWNESS,
    uid: 65_534,
    gid: 65_534,
  });
  assert.is(status, 1, stderr);
  assert.is(stdout, "");
  assert.match(stderr, /list the kernel's programs, which takes CAP_SYS_ADMIN: EPERM/);
});

bpftoolTest(test, "members and instructions are bpftool's", async () => {
  const spec = CollectionSpec.fromFile(fixturePath("callbacks.clang22.el.o"));
  await using bpf = await spec.load();
  for (const program of Object.values(bpf.programs)) {
    const id = String(program.info().id);
    const ours = await json<Listed>("prog", "show", "id", id);
    for (const [name, value] of Object.entries(bpftool("prog", "show", "id", id) as Listed)) {
      const own = (ours as unknown as Record<string, unknown>)[name];
      // It rounds another way.
      if (name === "loaded_at") assert.ok(Math.abs(Number(own) - Number(value)) <= 1);
      else if (name !== "pids") assert.equal(own, value, name);
    }
    const theirs = bpftool("prog", "dump", "xlated", "id", id) as Line[] | { insns: Line[] }[];
    const wanted = "insns" in theirs[0]! ? theirs[0].insns : (theirs as Line[]);
    const lines = await json<Line[]>("prog", "dump", id);
    assert.equal(
      lines.map(({ proto, src, disasm }) => [proto, src, disasm]),
      wanted.map(({ proto, src, disasm }) => [
        proto?.replaceAll("* ", "*"),
        src?.trim(),
        // Names of its own functions; the kernel's have the tag in front.
        disasm.replace(/#bpf_prog_[0-9a-f]{16}_/, "#"),
      ]),
    );
  }
});

/** Objects whose numbers are those of `answers`; an answer that is a code is what opening says. */
function kindOf(answers: readonly (string | undefined)[], closed: number[]): ObjectKind {
  const errors: Readonly<Record<string, number>> = { ENOENT: 2, EAGAIN: 11, EPERM: 1 };
  return {
    name: "program",
    next: (id) => (id < answers.length ? id + 1 : undefined),
    open: (id) => {
      const answer = answers[id - 1];
      const errno = answer === undefined ? undefined : errors[answer];
      if (errno !== undefined) throw new SyscallError(`open ${id}`, { errno, syscall: "bpf" });
      return { number: id, close: () => closed.push(id) } as unknown as FileDescriptor;
    },
    pinned: () => {
      throw new Error("not here");
    },
  };
}

const named = (fd: FileDescriptor) => ({ id: fd.number, name: fd.number === 3 ? "three" : "" });

const isMisuse = (error: unknown) => error instanceof CommandError;

test("objects that vanish while they are listed are left out, and all are closed", () => {
  const closed: number[] = [];
  const kind = kindOf([undefined, "ENOENT", undefined, "EAGAIN", undefined], closed);
  const ids = (words: string[]) =>
    readObjects(kind, readSelector(words, "program"), named).map(({ id }) => id);
  assert.equal(ids([]), [1, 3, 5]);
  assert.equal(closed, [1, 3, 5]);
  assert.equal(ids(["three"]), [3]);
  assert.equal(ids(["id", "5"]), [5]);
  // The one that was asked for is not passed over.
  assert.throws(() => ids(["2"]), /there is no \w+ with the id 2: ENOENT/);
  assert.throws(
    () => ids(["four"]),
    /^there is no \w+ with the name four$|there is no \w+ with the name four/,
  );
  closed.length = 0;
  const fails = () => {
    throw new Error("unreadable");
  };
  assert.throws(() => readObjects(kind, { by: "all" }, fails), /unreadable/);
  assert.equal(closed, [1]);
  const forbidden = kindOf([undefined, "EPERM"], closed);
  assert.throws(() => readObjects(forbidden, { by: "all" }, named), /open 2: EPERM/);
});

test("what is meant is read from a number, a path, a name, or a word before it", () => {
  const read = (...words: string[]) => readSelector(words, "map");
  assert.equal(read(), { by: "all" });
  assert.equal(read("12"), { by: "id", id: 12 });
  assert.equal(read("id", "12"), { by: "id", id: 12 });
  assert.equal(read("/sys/fs/bpf/x"), { by: "pinned", path: "/sys/fs/bpf/x" });
  assert.equal(read("pinned", "x"), { by: "pinned", path: "x" });
  assert.equal(read(".bss"), { by: "name", text: ".bss" });
  assert.equal(read("name", "12"), { by: "name", text: "12" });
  assert.equal(read("tag", "ab"), { by: "tag", text: "ab" });
  for (const words of [["id", "x"], ["id", "0"], ["4294967296"], ["a", "b"], ["id", "1", "2"]]) {
    assert.throws(() => read(...words), isMisuse);
  }
});

test("processes that end while they are looked at are no error", () => {
  assert.is(holdersOf("map", "/no/such/folder").size, 0);
});

test("misuse is refused by name", () => {
  const none = ebpf(["prog"]);
  assert.is(none.code, 2);
  assert.match(none.stderr, /which command\? one of list, show, dump is expected/);
  const other = ebpf(["prog", "dmp"]);
  assert.is(other.code, 2);
  assert.match(other.stderr, /there is no command prog dmp.*dump/);
  const machine = ebpf(["prog", "dump", "jited", "id", "1"]);
  assert.is(machine.code, 2);
  assert.match(machine.stderr, /not machine code/);
  const which = ebpf(["prog", "dump"]);
  assert.is(which.code, 2);
  assert.match(which.stderr, /which program\?/);
});

test.run();
