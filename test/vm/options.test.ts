import { suite } from "uvu";
import * as assert from "uvu/assert";
import { KERNELS } from "./matrix.ts";
import { type Options, readOptions } from "./options.ts";

const test = suite("vm/options");

function names(...args: string[]): string[] {
  return (readOptions(args) as Options).kernels.map(({ name }) => name);
}

test("the default kernels, all, or those that are named, in the order of the matrix", () => {
  const usual = ["5.10", "6.1", "6.12", "6.18", "7.2", "6.12-arm64"];
  assert.equal(names(), usual.toSpliced(4, 0, "6.18-generic"));
  assert.equal(
    names("--extended"),
    KERNELS.filter(({ built }) => built === undefined).map(({ name }) => name),
  );
  // One with tests of its own is left out where these are not asked for; one to compile is always named.
  assert.equal(names("--filter", "maps/"), usual);
  assert.equal(names("--filter", "hid"), names());
  assert.equal(names("6.18-generic", "6.12-lirc", "--filter", "maps/"), [
    "6.12-lirc",
    "6.18-generic",
  ]);
  assert.equal(names("7.2", "5.10"), ["5.10", "7.2"]);
  assert.ok(names("7.3").includes("7.3"));
});

test("a kernel that the matrix does not have is an error that lists those that it has", () => {
  assert.throws(() => readOptions(["6.2"]), /no kernel 6\.2 in the matrix; it has 5\.10, 6\.1,/);
});

test("options", () => {
  const options = readOptions(["6.1", "--filter", "maps", "--seconds", "60"]) as Options;
  assert.equal([options.filter, options.seconds, options.areNamed], ["maps", 60, true]);
  assert.is((readOptions([]) as Options).areNamed, false);
  assert.is((readOptions(["--shell", "uname -r"]) as Options).shell, "uname -r");
  const tools = readOptions(["--program", "bpftool", "--program", "./x"]) as Options;
  assert.equal(tools.programs, ["bpftool", "./x"]);
  assert.is(readOptions(["--help"]), "help");
  assert.throws(() => readOptions(["--jobs", "none"]), /--jobs is none/);
  assert.throws(() => readOptions(["--no-such"]), /no-such/);
});

test("a filter that no test file matches is refused before a guest boots", () => {
  assert.is((readOptions(["--filter", "vm/options"]) as Options).filter, "vm/options");
  assert.throws(
    () => readOptions(["6.12", "--filter", "no/such"]),
    /--filter no\/such: no test file has that in its path/,
  );
  // It is for the tests alone.
  assert.is((readOptions(["--shell", "ls", "--filter", "no/such"]) as Options).shell, "ls");
});

test.run();
