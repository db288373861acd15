import { spawn, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BtfBuilder } from "../../btf/index.ts";
import { SymbolType } from "../../elf/index.ts";
import { CLI, ebpf } from "../helper/cli.ts";
import { fixtureObjects, fixturePath } from "../helper/fixtures.ts";
import { whenEnded } from "../helper/process.ts";
import { SLOWNESS } from "../helper/slowness.ts";
import { addInt, addSection, code, exit, fn, mov, objectBytes } from "../spec/object.ts";

const terminal = suite("cli: terminals, pipes and help");

const OBJECT = fixturePath("maps.el.o");
/** More than a pipe takes at once. */
const MANY = fixtureObjects()
  .filter((name) => !name.startsWith("map-static."))
  .map(fixturePath);

terminal("help is to be had anywhere, on stdout, with exit code 0", () => {
  for (const args of [["-h"], ["--help"], ["help"], ["help", "-h"]]) {
    const { code, stdout, stderr } = ebpf(args);
    assert.is(code, 0, args.join(" "));
    assert.match(stdout, /^usage: ebpf COMMAND/);
    assert.is(stderr, "");
  }
  for (const args of [
    ["help", "inspect"],
    ["--help", "inspect"],
    ["inspect", "-h"],
    ["inspect", "--json", OBJECT, "--help"],
    ["inspect", "--no-such-option", "-h"],
  ]) {
    const { code, stdout } = ebpf(args);
    assert.is(code, 0, args.join(" "));
    assert.match(stdout, /^usage: ebpf inspect FILE/);
  }
});

terminal("nothing to do is misuse, and says on stderr what there is", () => {
  const { code, stdout, stderr } = ebpf([]);
  assert.is(code, 2);
  assert.is(stdout, "");
  assert.match(stderr, /^usage: ebpf COMMAND/);
});

terminal("what follows -- are files, whatever they are called", () => {
  for (const name of ["-h", "--help", "--json"]) {
    const { code, stdout, stderr } = ebpf(["inspect", "--", name]);
    assert.is(code, 1);
    assert.is(stdout, "");
    assert.is(stderr, `ebpf inspect: ${name}: there is no such file\n`);
  }
  assert.is(ebpf(["inspect", "--json", "--", OBJECT]).code, 0);
});

terminal("options that are unknown, lack a value or have one too many are misuse, by name", () => {
  for (const [args, name] of [
    [["inspect", "-x", OBJECT], "-x"],
    [["inspect", "--json=yes", OBJECT], "--json"],
    [["inspect", "--instructions", OBJECT], "--instructions"],
    [["check", "--instructions", OBJECT, "--btf", "kernel"], "--instructions"],
    [["check", OBJECT, "--btf"], "--btf"],
    [["run", "--count", "1.5", OBJECT], "--count"],
    [["run", "--count", "-5", OBJECT], "--count"],
    [["run", OBJECT, "--set"], "--set"],
    [["help", "nonsense"], "nonsense"],
    [["toString"], "toString"],
  ] as const) {
    const { code, stdout, stderr } = ebpf(args);
    assert.is(code, 2, `${args.join(" ")}: ${stderr}`);
    assert.is(stdout, "");
    assert.match(stderr, /^ebpf [^\n]+\n$/);
    assert.ok(stderr.includes(name), stderr);
  }
});

/** Runs the command and closes its stdout after the first bytes. */
async function untilFirstBytes(
  args: readonly string[],
): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(process.execPath, [CLI, ...args]);
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  child.stdout.once("data", () => child.stdout.destroy());
  const { code } = await whenEnded(child);
  return { code, stderr };
}

terminal("a reader that goes away ends it in silence", async () => {
  assert.equal(await untilFirstBytes(["inspect", ...MANY]), { code: 0, stderr: "" });
  assert.equal(await untilFirstBytes(["inspect", "--json", ...MANY]), { code: 0, stderr: "" });
});

terminal("a disk that is full is an error in one line", () => {
  if (process.platform !== "linux") return;
  const full = openSync("/dev/full", "w");
  try {
    for (const args of [["inspect", OBJECT], ["--help"]]) {
      const { status, stderr } = spawnSync(process.execPath, [CLI, ...args], {
        stdio: ["ignore", full, "pipe"],
        encoding: "utf8",
        timeout: 60_000 * SLOWNESS,
      });
      assert.is(status, 1);
      assert.is(stderr, "ebpf: writing to stdout: ENOSPC\n");
    }
  } finally {
    closeSync(full);
  }
});

terminal("a pipe is read to its end, a device is refused", () => {
  if (process.platform !== "linux") return;
  const piped = spawnSync(
    "sh",
    ["-c", 'cat "$1" | "$2" "$3" inspect --json /dev/stdin', "sh"].concat([
      OBJECT,
      process.execPath,
      CLI,
    ]),
    { encoding: "utf8", timeout: 60_000 * SLOWNESS },
  );
  assert.is(piped.status, 0, piped.stderr);
  assert.equal(
    { ...JSON.parse(piped.stdout), file: OBJECT },
    JSON.parse(ebpf(["inspect", "--json", OBJECT]).stdout),
  );
  for (const device of ["/dev/zero", "/dev/null"]) {
    const { code, stderr } = ebpf(["inspect", device]);
    assert.is(code, 1);
    assert.is(stderr, `ebpf inspect: ${device}: it is no file, but a device or socket\n`);
  }
});

/** What a terminal would act on: colours, a title, a C1 control, lines of its own. */
const EVIL = "\x1b[31mred\x1b]0;title\x07\x9b2J\u0085line\r\nebpf inspect: all is well";

terminal("names cannot control a terminal, nor forge lines; JSON keeps them", () => {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-test-"));
  try {
    const types = new BtfBuilder();
    addSection(types, ".data", { [EVIL]: addInt(types, EVIL) }, 4);
    const input = {
      types,
      sections: [
        code("socket", [mov(0), exit]),
        { name: ".data", data: new Uint8Array(4) },
        { name: "maps", data: new Uint8Array(20) },
      ],
      symbols: [
        fn(EVIL, "socket", 0, 2),
        { name: EVIL, section: ".data", size: 4, type: SymbolType.OBJECT },
        { name: EVIL, section: "maps", size: 20, type: SymbolType.OBJECT },
        { name: `extern${EVIL}` },
      ],
    };
    const good = join(folder, "good.o");
    writeFileSync(good, objectBytes(input));
    const bad = join(folder, `bad${EVIL.replaceAll("/", "")}.o`);
    const twice = [...input.symbols, { name: EVIL, section: "maps", type: SymbolType.OBJECT }];
    writeFileSync(bad, objectBytes({ ...input, symbols: twice }));

    const text = ebpf(["inspect", good]);
    assert.is(text.code, 0, text.stderr);
    assert.not.match(text.stdout, /(?!\n)\p{Cc}/u);
    assert.not.match(text.stdout, /^ebpf inspect/m);
    assert.match(text.stdout, /\ufffd\[31mred/);

    const json = ebpf(["inspect", "--json", good]);
    assert.not.match(json.stdout, /(?!\n)\p{Cc}/u);
    const { programs, maps, variables } = JSON.parse(json.stdout) as Record<
      string,
      { name: string }[]
    >;
    assert.is(programs?.[0]?.name, EVIL);
    assert.is(maps?.[0]?.name, EVIL);
    assert.is(variables?.[0]?.name, EVIL);

    const error = ebpf(["inspect", bad]);
    assert.is(error.code, 1);
    assert.match(error.stderr, /^ebpf inspect: [^\n]+\n$/);
    assert.not.match(error.stderr, /(?!\n)\p{Cc}/u);

    const checked = ebpf(["check", good, "--btf", fixturePath("btf/6.1.btf")]);
    assert.is(checked.code, 0, checked.stderr);
    assert.not.match(checked.stdout, /(?!\n)\p{Cc}/u);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

terminal("the value of a large variable is not worked out to show its beginning", () => {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-test-"));
  try {
    const file = join(folder, "large.o");
    const size = 0x0f00_0000;
    const symbols = [{ name: "large", section: ".bss", size, type: SymbolType.OBJECT }];
    writeFileSync(file, objectBytes({ sections: [{ name: ".bss", type: 8, size }], symbols }));
    const { code, stdout } = ebpf(["inspect", file], ["--max-old-space-size=64"]);
    assert.is(code, 0);
    assert.match(stdout, /^large +251658240 bytes +\.bss +…$/m);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

terminal.run();
