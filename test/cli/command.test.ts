import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CommandError, divideFiles, readArguments } from "../../src/cli/command.ts";
import { ebpf } from "../helper/cli.ts";

const test = suite("cli: command");

const OPTIONS = {
  btf: { type: "string", multiple: true },
  output: { type: "string", short: "o" },
  json: { type: "boolean" },
} as const;

function complaint(...args: string[]): string {
  try {
    readArguments(args, OPTIONS);
  } catch (error) {
    assert.instance(error, CommandError);
    return (error as Error).message;
  }
  return "";
}

test("options that are not there, or lack a value, are named in one line", () => {
  for (const [args, message] of [
    [["--bft", "x"], 'there is no option --bft; did you mean "--btf"?'],
    [["--jsn=1"], 'there is no option --jsn; did you mean "--json"?'],
    [["--nothing"], "there is no option --nothing; there are --btf, --output, --json"],
    [["-9"], "there is no option -9; what begins with a dash stands behind --, as in `-- KEY -1`"],
    [["-x"], "there is no option -x; there are --btf, --output, --json"],
    [["--btf"], "--btf: a value is expected after it"],
    [["-o"], "--output: a value is expected after it"],
    [["--json=1"], "--json takes no value"],
    [
      ["--btf", "--json"],
      "--btf: a value is expected after it; one that begins with a dash is written --btf=-VALUE",
    ],
    [["--json", "a", "--", "--bft"], ""],
  ] as const) {
    assert.is(complaint(...args), message);
  }
});

test("commands that are not there", () => {
  for (const args of [["chekc"], ["help", "chekc"]]) {
    const { code, stderr } = ebpf(args);
    assert.is(code, 2);
    assert.match(stderr, /there is no command chekc; did you mean "check"\?\n$/);
  }
  assert.match(
    ebpf(["xyz"]).stderr,
    /no command xyz; there are inspect, check, run, (\w+, )*disasm, btf(, \w+)*\n/,
  );
  assert.match(
    ebpf(["check", "x.o", "--btf"]).stderr,
    /^ebpf check: --btf: a value is expected after it\n$/,
  );
});

test("several paths behind one option, up to the next", () => {
  for (const [text, files, paths] of [
    ["a --btf x y", "a", "x y"],
    ["a b --btf x y -o z c", "a b c", "x y"],
    ["a --btf=x y --json b --btf z", "a b", "x y z"],
    ["a --btf x -- y", "a y", "x"],
    ["--btf x a b", "a b", "x"],
    ["-o z --btf x --btf y a", "a", "x y"],
    ["--json a", "a", ""],
    ["--btf x", "", "x"],
    ["a -o z --btf - y", "a", "- y"],
  ] as const) {
    const found = divideFiles(readArguments(text.split(" "), OPTIONS), "btf");
    assert.equal([found.files.join(" "), found.paths.join(" ")], [files, paths], text);
  }
});

test.run();
