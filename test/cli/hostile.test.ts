import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ebpf } from "../helper/cli.ts";
import { buildElf } from "../helper/elf-builder.ts";
import { fixturePath, readFixture } from "../helper/fixtures.ts";
import { inFolder } from "../helper/folder.ts";

const hostile = suite("cli: files that are no objects");

/** Bytes that look random and are the same on every run. */
function noise(length: number): Uint8Array {
  let state = 0x2545_f491;
  return Uint8Array.from({ length }, () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state & 0xff;
  });
}

const object = readFixture("maps.el.o");
const FILES: Record<string, Uint8Array> = {
  "empty.o": new Uint8Array(0),
  "random.o": noise(4096),
  "truncated.o": object.subarray(0, object.length >> 1),
  "header-only.o": object.subarray(0, 64),
  "one-byte.o": object.subarray(0, 1),
  "text.o": new TextEncoder().encode("this is no object\n"),
};

const COMMANDS: Record<string, (file: string) => string[]> = {
  inspect: (file) => ["inspect", file],
  "inspect --json": (file) => ["inspect", "--json", file],
  check: (file) => ["check", file, "--btf", fixturePath("btf/6.1.btf")],
  run: (file) => ["run", file],
  disasm: (file) => ["disasm", file],
  "btf dump": (file) => ["btf", "dump", file],
  "btf min": (file) => ["btf", "min", file, "--btf", fixturePath("btf/6.1.btf"), "-o", file],
};

function assertOneClearLine(outcome: ReturnType<typeof ebpf>, file: string): void {
  assert.is(outcome.code, 1, outcome.stderr);
  assert.match(outcome.stderr, /^ebpf \w+: [^\n]+\n$/);
  assert.ok(outcome.stderr.includes(file), outcome.stderr);
  assert.not.match(outcome.stderr, /\n\s+at |undefined|\[object/);
  assert.is(outcome.stdout, "");
}

for (const [command, args] of Object.entries(COMMANDS)) {
  hostile(`${command}: one clear line, exit code 1`, () => {
    inFolder((folder) => {
      for (const [name, bytes] of Object.entries(FILES)) {
        const file = join(folder, name);
        writeFileSync(file, bytes);
        assertOneClearLine(ebpf(args(file)), file);
      }
    });
  });

  hostile(`${command}: an ELF file of another machine is named as such`, () => {
    inFolder((folder) => {
      const file = join(folder, "host.o");
      writeFileSync(file, buildElf({ machine: 62 }));
      const outcome = ebpf(args(file));
      assertOneClearLine(outcome, file);
      // Types are read from files of any machine.
      const found = command === "btf dump" ? /no section \.BTF/ : /not a BPF object/;
      assert.match(outcome.stderr, found);
    });
  });

  hostile(`${command}: a missing file and a folder`, () => {
    inFolder((folder) => {
      assertOneClearLine(ebpf(args(join(folder, "missing.o"))), "missing.o");
      assertOneClearLine(ebpf(args(folder)), folder);
    });
  });
}

hostile("misuse is exit code 2, and names the option", () => {
  for (const args of [
    ["inspect", "--jsn", "x.o"],
    ["check", "--bogus"],
    ["run", "--duration"],
    ["nonsense"],
    ["inspect"],
  ]) {
    const outcome = ebpf(args);
    assert.is(outcome.code, 2, `${args.join(" ")}: ${outcome.stderr}`);
    assert.match(outcome.stderr, /^ebpf [^\n]+\n$/);
  }
  assert.match(ebpf(["inspect", "--jsn", "x.o"]).stderr, /--jsn/);
});

hostile(
  "several files: the bad one stands in the array with its error, the good ones are shown",
  () => {
    const good = fixturePath("maps.el.o");
    const outcome = ebpf(["inspect", "--json", good, "/nonexistent.o"]);
    assert.is(outcome.code, 1);
    const [first, second] = JSON.parse(outcome.stdout) as { file: string; error?: string }[];
    assert.is(first?.file, good);
    assert.is(first?.error, undefined);
    assert.is(second?.file, "/nonexistent.o");
    assert.match(second?.error ?? "", /no such file/);
  },
);

hostile.run();
