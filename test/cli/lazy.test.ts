import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ebpf } from "../helper/cli.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { kernelTest } from "../helper/kernel.ts";

const lazy = suite("cli: koffi is loaded by system calls alone");

/** Says at the end of a process which of its native libraries are koffi's. */
const REPORT =
  "process.on('exit', () => {" +
  "const all = process.report.getReport().sharedObjects.filter((path) => path.includes('koffi'));" +
  "process.stderr.write('native: ' + all.length); });";
const WATCH = ["--import", `data:text/javascript,${encodeURIComponent(REPORT)}`];

function nativeLibraries(args: readonly string[]): number {
  const { code, stderr } = ebpf(args, WATCH);
  assert.is(code, 0, stderr);
  return Number(/native: (\d+)$/.exec(stderr)?.[1]);
}

lazy("help and version", () => {
  assert.is(nativeLibraries(["--help"]), 0);
  assert.is(nativeLibraries(["--version"]), 0);
  assert.is(nativeLibraries(["run", "--help"]), 0);
});

lazy("inspect and check", () => {
  const object = fixturePath("core-fields.el.o");
  assert.is(nativeLibraries(["inspect", object]), 0);
  assert.is(nativeLibraries(["inspect", "--json", "--instructions", object]), 0);
  assert.is(
    nativeLibraries(["check", fixturePath("maps.el.o"), "--btf", fixturePath("btf/6.1.btf")]),
    0,
  );
});

lazy("disasm, and btf of files", () => {
  const object = fixturePath("core-fields.el.o");
  assert.is(nativeLibraries(["disasm", object]), 0);
  assert.is(nativeLibraries(["btf", "dump", object]), 0);
  assert.is(nativeLibraries(["btf", "dump", "--help"]), 0);
});

kernelTest(lazy, "run loads it: the test can tell", () => {
  const object = fixturePath("raw-tracepoint.el.o");
  assert.ok(nativeLibraries(["run", "--duration", "100ms", object]) > 0);
});

lazy.run();
