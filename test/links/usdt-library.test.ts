/**
 * Static probes of libraries: listed, attached to wherever a process has them, with arguments that are addresses there.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Executable } from "../../links/executable.ts";
import { resolveBinary } from "../../links/library.ts";
import { usdt } from "../../links/usdt.ts";
import { usdtProbes } from "../../links/usdt-probes.ts";
import { type Collection, CollectionSpec } from "../../src/collection.ts";
import { UnsupportedError } from "../../src/error.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { ebpfHere } from "../helper/in-process.ts";
import { hostTest } from "../helper/kernel.ts";
import { nextOutput, whenEnded } from "../helper/process.ts";
import { openObjects } from "./counter.ts";
import { samplePath } from "./sample-process.ts";

const test = suite("links/usdt-library");
const CPLUSPLUS = "libstdc++.so.6";

/** Why a library is no good for a test: it is not there, or was built without probes. */
function lacks(name: string): string | undefined {
  try {
    const { probes } = usdtProbes(name);
    return probes.length === 0 ? `${name} was built without static probes` : undefined;
  } catch {
    return `there is no ${name}`;
  }
}

/** That of the distribution, whichever release it has. */
const PYTHON =
  [11, 12, 13, 14]
    .map((minor) => `libpython3.${minor}.so.1.0`)
    .find((name) => lacks(name) === undefined) ?? "libpython3.13.so.1.0";

function needs(name: string) {
  return { needs: `static probes of ${name}`, obstacle: () => lacks(name) };
}

/** A process with a library, that tells where its first byte is, and for each byte on its standard input calls a function. */
class LibraryProcess implements AsyncDisposable {
  readonly pid: number;
  readonly #child: ChildProcess;
  #base: bigint | undefined;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? 0;
  }

  /** `prepare` and `act` are statements; `library` is the loaded one. */
  static async start(path: string, prepare: string, act: string): Promise<LibraryProcess> {
    const script = `
      import { readFileSync } from "node:fs";
      import koffi from ${JSON.stringify(import.meta.resolve("koffi"))};
      const library = koffi.load(${JSON.stringify(path)});
      ${prepare}
      const line = readFileSync("/proc/self/maps", "utf8").split("\\n").find((line) =>
        line.includes(${JSON.stringify(path)}) && / 00000000 /.test(line));
      process.stdout.write(line.split("-")[0]);
      process.stdin.on("data", () => { ${act} process.stdout.write("."); });
    `;
    const child = spawn(process.execPath, ["--input-type=module", "--eval", script], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    const started = new LibraryProcess(child);
    started.#base = BigInt(`0x${Buffer.from(await nextOutput(child)).toString()}`);
    return started;
  }

  /** Where the process has the library. */
  get base(): bigint {
    assert.ok(this.#base);
    return this.#base;
  }

  /** Has it call the function, and waits until it has. */
  async act(): Promise<void> {
    const done = nextOutput(this.#child);
    this.#child.stdin!.write("x");
    await done;
  }

  /** Has it call the function, and waits until it has ended over it. */
  async perish(): Promise<void> {
    const ended = whenEnded(this.#child);
    this.#child.stdin!.write("x");
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = whenEnded(this.#child);
    this.#child.kill("SIGKILL");
    await ended;
  }
}

interface Seen {
  cookie: bigint;
  count: bigint;
  arguments: bigint[];
}

/** The object that keeps what it sees. */
function load(): Collection {
  const spec = CollectionSpec.fromFile(fixturePath("usdt-arguments.el.o"));
  spec.variables.ip_offset.set(process.arch === "arm64" ? 256 : 128);
  return spec.loadSync();
}

function seen(bpf: Collection): Seen[] {
  return (bpf.variables.records.get() as Seen[]).slice(0, Number(bpf.variables.hits.get()));
}

hostTest(
  test,
  "libstdc++: an exception is seen where it is thrown, with the address of its type",
  async () => {
    const before = openObjects();
    const path = resolveBinary(CPLUSPLUS);
    const throwing = "library.func('void _ZSt17__throw_bad_allocv()')";
    await using running = await LibraryProcess.start(path, `const fail = ${throwing};`, "fail();");
    await using other = await LibraryProcess.start(path, `const fail = ${throwing};`, "fail();");
    using bpf = load();
    const options = { provider: "libstdcxx", name: "throw", pid: running.pid, cookie: 7 };
    const link = usdt(bpf.programs.keep, CPLUSPLUS, options);
    assert.is(link.probes.length, 1);
    // Nobody catches it: that is the end of the process.
    await other.perish();
    assert.equal(seen(bpf), []);
    await running.perish();
    const [record] = seen(bpf);
    assert.ok(record);
    const { cookie, count, arguments: values } = record;
    assert.equal([cookie, count], [7n, 2n]);
    const [type] = Executable.open(path).elf.symbolsNamed("_ZTISt9bad_alloc");
    assert.is(values[1], running.base + type!.value64);
    assert.is.not(values[0], 0n);
    await link.closeAsync();
    bpf.close();
    assert.equal(openObjects(), before);
  },
  needs(CPLUSPLUS),
);

hostTest(
  test,
  "libpython: a semaphore in a library is raised, and lowered on close",
  async () => {
    const path = resolveBinary(PYTHON);
    const prepare =
      "library.func('void Py_InitializeEx(int)')(0); const collect = library.func('long PyGC_Collect()');";
    await using running = await LibraryProcess.start(path, prepare, "collect();");
    using bpf = load();
    // Others run Python, too.
    const { pid } = running;
    const attach = (name: string) =>
      usdt(bpf.programs.keep, path, { provider: "python", name, pid });
    const [start, done] = [attach("gc__start"), attach("gc__done")];
    assert.ok(start.probes.every(({ semaphore }) => semaphore !== undefined));
    await running.act();
    // The oldest generation; how many objects it got rid of.
    const records = seen(bpf);
    assert.is(records.length, 2);
    assert.equal([records[0]!.count, records[0]!.arguments[0]], [1n, 2n]);
    assert.is(records[1]!.count, 1n);
    await Promise.all([start.closeAsync(), done.closeAsync()]);
    await running.act();
    assert.is(seen(bpf).length, 2);
  },
  needs(PYTHON),
);

for (const [name, provider, probe] of [
  [CPLUSPLUS, "libstdcxx", "throw"],
  [PYTHON, "python", "gc__start"],
] as const) {
  hostTest(
    test,
    `${name}: probes are listed with their arguments`,
    async () => {
      const { probes, unreadable } = usdtProbes(name);
      assert.equal(unreadable, []);
      const names = new Set(probes.map((one) => `${one.provider}:${one.name}`));
      assert.ok(names.has(`${provider}:${probe}`), [...names].join(" "));
      assert.ok(probes.every((one) => one.arguments.every(({ kind }) => kind !== "unknown")));
      const { code, stdout, stderr } = await ebpfHere(["list", `usdt:${name}:*`]);
      assert.is(code, 0, stderr);
      const listed = stdout.trimEnd().split("\n");
      assert.is(listed.length, names.size);
      assert.ok(
        listed.some((line) => line.endsWith(`:${provider}:${probe}`)),
        stdout,
      );
    },
    needs(name),
  );
}

hostTest(
  test,
  "arguments in a thread's own memory and in vector registers: listed, and refused by name when attached to",
  async () => {
    const before = openObjects();
    const bytes = readFileSync(samplePath("movable", "x64"));
    const at = bytes.indexOf("-1@$-100");
    assert.ok(at > 0);
    using bpf = load();
    for (const [text, reason] of [
      ["8@%fs:24", /it is in a thread's own memory \(%fs\)/],
      ["8@%xmm12", /it is in %xmm12, and programs get no registers of floats and vectors/],
    ] as const) {
      const changed = Buffer.from(bytes);
      changed.write(text, at);
      const executable = Executable.parse(new Uint8Array(changed), "/sample");
      const { probes, unreadable } = usdtProbes(executable);
      assert.equal(unreadable, []);
      const numbers = probes.find(({ name }) => name === "numbers");
      assert.is(numbers?.arguments[1]?.text, text);
      assert.throws(
        () => usdt(bpf.programs.keep, executable, { provider: "sample", name: "numbers" }),
        (error: unknown) =>
          error instanceof UnsupportedError &&
          error.message.startsWith(
            `argument ${text} of sample:numbers in /sample cannot be read: `,
          ) &&
          reason.test(error.message) &&
          error.feature.includes(text),
      );
    }
    bpf.close();
    assert.equal(openObjects(), before);
  },
  {
    needs: "x86-64",
    obstacle: () => (process.arch === "x64" ? undefined : `this is ${process.arch}`),
  },
);

test.run();
