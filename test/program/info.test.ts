/**
 * What the kernel says of programs: compared with its own types, with /proc, with bpftool, and with what was loaded.
 */

import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Kind } from "../../btf/index.ts";
import { print } from "../../src/asm/index.ts";
import { hostLittleEndian, viewOf } from "../../src/bytes.ts";
import { type Collection, CollectionSpec } from "../../src/collection.ts";
import type { BpfError } from "../../src/error.ts";
import type { Program } from "../../src/program.ts";
import { programCode } from "../../src/program-code.ts";
import { PROGRAM_INFO } from "../../src/program-info.ts";
import { openProgram } from "../../src/program-open.ts";
import { enableStatistics } from "../../src/statistics.ts";
import { kernelBtf } from "../../src/sys/kernel-btf.ts";
import { ProgramType } from "../../src/uapi.ts";
import { bpftool, bpftoolTest } from "../helper/bpftool.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { isOlderThan, kernelTest } from "../helper/kernel.ts";
import { eventually } from "../helper/process.ts";

const test = suite("program: info");
const PACKET = new Uint8Array(64);

interface Globals {
  programs: { add: unknown };
}

function load(): Collection<Globals> {
  return CollectionSpec.fromFile<Globals>(fixturePath("globals.el.o")).loadSync();
}

kernelTest(
  test,
  "offsets are those of the kernel's struct bpf_prog_info",
  { needs: "kernel BTF", config: "CONFIG_DEBUG_INFO_BTF" },
  () => {
    const btf = kernelBtf();
    const struct = btf.type(btf.find("bpf_prog_info", Kind.STRUCT) ?? 0);
    if (struct.kind !== Kind.STRUCT) throw new Error("no struct bpf_prog_info");
    const members = new Map(struct.members.map(({ name, bitOffset }) => [name, bitOffset]));
    for (const [name, offset] of Object.entries(PROGRAM_INFO)) {
      const found = members.get(name);
      // What an older kernel lacks lies behind what it has.
      if (found === undefined) assert.ok(offset >= struct.size, name);
      else assert.is(found, offset * 8, name);
    }
  },
);

kernelTest(test, "a program is what was loaded", async () => {
  await assertNothingLeft(() => {
    using bpf = load();
    const { add } = bpf.programs;
    const info = add.info();
    assert.is(info.type, ProgramType.SOCKET_FILTER);
    assert.is(info.name, "add");
    assert.is(info.id, add.id);
    assert.is(info.uid, process.getuid?.());
    assert.ok(info.gplCompatible);
    assert.match(info.tag, /^[0-9a-f]{16}$/);
    const maps = Object.values(bpf.maps as Record<string, { id: number }>).map(({ id }) => id);
    for (const id of info.mapIds) assert.ok(maps.includes(id), `map ${id}`);
    assert.ok(info.mapIds.length > 0);
    assert.ok(info.translatedSize > 0 && info.translatedSize % 8 === 0);
    assert.ok(info.loadTime > 0n);
    assert.ok(info.btfId > 0);
    if (!isOlderThan("5.16")) assert.ok(info.verifiedInstructions > 0);
    const shown = new Map(
      [
        ...readFileSync(`/proc/self/fdinfo/${add.fd.number}`, "utf8").matchAll(/^(\w+):\s*(.*)$/gm),
      ].map(([, key = "", value = ""]) => [key, value]),
    );
    assert.is(Number(shown.get("prog_type")), info.type);
    assert.is(shown.get("prog_tag"), info.tag);
    assert.is(Number(shown.get("prog_id")), info.id);
    assert.is(Number(shown.get("memlock")), info.memory);
    assert.is(Number(shown.get("prog_jited")) === 1, info.compiledSize > 0);
    const verified = shown.get("verified_insns");
    if (verified !== undefined) assert.is(Number(verified), info.verifiedInstructions);
  });
});

bpftoolTest(test, "bpftool says the same", () => {
  using bpf = load();
  const { add } = bpf.programs;
  using _statistics = enableStatistics();
  add.run({ data: PACKET, repeat: 5 });
  const info = add.info();
  const theirs = bpftool("prog", "show", "id", String(add.id)) as Record<string, unknown>;
  assert.equal(
    {
      id: info.id,
      type: "socket_filter",
      name: info.name,
      tag: info.tag,
      gpl_compatible: info.gplCompatible,
      run_time_ns: Number(info.runTime),
      run_cnt: Number(info.runCount),
      uid: info.uid,
      bytes_xlated: info.translatedSize,
      bytes_jited: info.compiledSize,
      bytes_memlock: info.memory,
      map_ids: info.mapIds,
      btf_id: info.btfId,
    },
    Object.fromEntries(
      Object.entries(theirs).filter(
        ([key]) => !/^(loaded_at|jited|orphaned|pids|pinned)$/.test(key),
      ),
    ),
  );
  const dumped = bpftool("prog", "dump", "xlated", "id", String(add.id), "opcodes") as {
    opcodes?: { code: string };
  }[];
  const code = add.instructions();
  const opcodes = dumped.filter(({ opcodes: each }) => each !== undefined);
  assert.is(code.instructions.length, opcodes.length);
  for (const [index, { opcodes: each }] of opcodes.entries()) {
    assert.is(code.instructions[index]?.opcode, Number(each?.code), `instruction ${index}`);
  }
});

kernelTest(test, "instructions come with functions and source lines", async () => {
  await assertNothingLeft(() => {
    using bpf = load();
    const { add } = bpf.programs;
    const code = add.instructions();
    assert.is(code.bytes.length, add.info().translatedSize);
    assert.equal(code.functions[0], { slot: 0, name: "add" });
    const [first] = code.lines;
    assert.is(first?.slot, 0);
    assert.match(first?.file ?? "", /globals\.bpf\.c$/);
    const source = readFileSync(fixturePath("globals.bpf.c"), "utf8").split("\n");
    for (const { line, text } of code.lines) assert.is(source[line - 1]?.trim(), text.trim());
    assert.match(print(code.instructions.at(-1)!), "exit");
    // The same by its number, with its types from the kernel.
    using again = openProgram(add.id);
    assert.is(again.name, "add");
    assert.equal(again.instructions(), code);
  });
});

kernelTest(test, "instructions without types have neither", () => {
  const spec = CollectionSpec.fromFile(fixturePath("globals.nobtf.el.o"));
  using bpf = spec.loadSync();
  const program: Program = Object.values(bpf.programs)[0] as Program;
  const code = program.instructions();
  assert.equal([code.functions, code.lines], [[], []]);
  assert.ok(code.instructions.length > 0);
  assert.is(program.types()?.typeCount, undefined);
});

test("edge 61: instructions that the kernel does not show are an error of their own", () => {
  const answers = (size: number) => {
    const bytes = new Uint8Array(232);
    viewOf(bytes).setUint32(PROGRAM_INFO.xlated_prog_len, size, hostLittleEndian);
    return () => ({ view: viewOf(bytes), bytes });
  };
  const fd = {} as Program["fd"];
  // Without the privilege there is no size; without raw addresses nothing is written.
  for (const size of [0, 64]) {
    assert.throws(
      () => programCode(fd, "program x", () => undefined, answers(size)),
      (error: BpfError) =>
        error.code === "ERR_RESTRICTED" && /program x: .*kptr_restrict/.test(error.message),
    );
  }
});

kernelTest(test, "runs are counted as long as statistics are on", async () => {
  await assertNothingLeft(async () => {
    using bpf = load();
    const { add } = bpf.programs;
    add.run({ data: PACKET, repeat: 3 });
    const before = add.stats().runCount;
    {
      using _first = enableStatistics();
      const second = enableStatistics();
      second.close();
      second.close();
      add.run({ data: PACKET, repeat: 1000 });
    }
    const counted = add.stats();
    assert.is(counted.runCount - before, 1000n);
    assert.ok(counted.runTime > 0n);
    assert.is(counted.recursionMisses, 0n);
    // Others may have them on for a while, or for good.
    const stopped = () => {
      const { runCount } = add.stats();
      add.run({ data: PACKET, repeat: 10 });
      return add.stats().runCount === runCount;
    };
    if (before === 0n) assert.ok(await eventually(stopped));
  });
});

kernelTest(test, "a program can be held to a map that it does not mention", async () => {
  await assertNothingLeft(() => {
    using bpf = load();
    using other = CollectionSpec.fromFile(fixturePath("ringbuf.el.o")).loadSync();
    const { add } = bpf.programs;
    const map = Object.values(other.maps)[0] as { id: number; fd: Program["fd"] };
    add.bindMap(map);
    assert.ok(add.info().mapIds.includes(map.id));
  });
});

kernelTest(test, "a closed program says nothing", () => {
  const bpf = load();
  const { add } = bpf.programs;
  const copy = add.clone();
  bpf.close();
  for (const ask of [() => add.info(), () => add.stats(), () => add.instructions(), () => add.id]) {
    assert.throws(ask, (error: BpfError) => error.code === "ERR_CLOSED");
  }
  assert.is(copy.name, "add");
  assert.is(copy.section, add.section);
  assert.is(copy.run({ data: PACKET }).returnValue, 42);
  assert.ok(!copy.closed);
  copy.close();
  assert.ok(copy.closed);
});

test.run();
