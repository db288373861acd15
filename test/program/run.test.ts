/**
 * Running programs by hand: what goes in, what comes out, and what is said of runs that are refused.
 */

import { spawn } from "node:child_process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Kind } from "../../btf/index.ts";
import { hostLittleEndian, viewOf } from "../../src/bytes.ts";
import { type Collection, CollectionSpec } from "../../src/collection.ts";
import { BpfError, SyscallError, UnsupportedError } from "../../src/error.ts";
import { type Program, RunFlags, type RunOptions } from "../../src/program.ts";
import { contextBytes } from "../../src/program-context.ts";
import { explainRun } from "../../src/program-run.ts";
import { AttachType, ProgramType } from "../../src/uapi.ts";
import { isA } from "../helper/errors.ts";
import { withFault } from "../helper/faults.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { btfOf, int } from "../helper/types.ts";

const test = suite("program: run");
const EINTR = 4;
const PACKET = Uint8Array.from({ length: 64 }, (_, index) => index);
const EVENTS = { needs: "raw tracepoint programs", config: "CONFIG_BPF_EVENTS" };

interface Programs {
  programs: Record<
    "mark" | "grow" | "drop" | "product" | "processor" | "add" | "look" | "counted" | "message",
    unknown
  >;
  variables: { runs: bigint };
}

/** The object with those programs, and `mark`. */
function load(...names: string[]): Collection<Programs> {
  const spec = CollectionSpec.fromFile<Programs>(fixturePath("run.el.o"));
  for (const program of Object.values(spec.programs)) {
    program.autoload = program.name === "mark" || names.includes(program.name);
  }
  return spec.loadSync();
}

function refused(program: Program, options: RunOptions): BpfError {
  try {
    program.run(options);
  } catch (error) {
    if (error instanceof BpfError) return error;
    throw error;
  }
  throw new Error("it ran");
}

kernelTest(test, "a packet goes in, and comes out as the program left it", async () => {
  await assertNothingLeft(() => {
    using bpf = load("grow", "counted");
    const { grow, counted } = bpf.programs;
    const plain = counted.run({ data: PACKET, repeat: 3 });
    assert.is(plain.returnValue, 5);
    assert.equal(plain.data, new Uint8Array(0));
    assert.equal(plain.context, new Uint8Array(0));
    const grown = grow.run({ data: PACKET, dataOut: true });
    assert.is(grown.returnValue, 3);
    assert.equal(grown.data, Uint8Array.from([...PACKET, 0, 0, 0, 0, 0, 0, 0, 0]));
    assert.is(grow.run({ data: PACKET, dataOut: 72 }).data.length, 72);
    const short = refused(grow, { data: PACKET, dataOut: 70 });
    assert.is(short.code, "ENOSPC");
    assert.match(short.message, /its data take 72 bytes afterwards, and there was room for 70/);
  });
});

kernelTest(
  test,
  "a context goes in as members or bytes, and comes out decoded or as bytes",
  async () => {
    await assertNothingLeft(async () => {
      using bpf = load();
      const { mark } = bpf.programs;
      const typed = mark.run({ data: PACKET, context: { mark: 20 }, contextOut: true });
      assert.is(typed.context.mark, 41);
      assert.ok(typed.returnValue >= 50, `a packet of ${typed.returnValue} bytes`);
      const bytes = new Uint8Array(12);
      viewOf(bytes).setUint32(8, 3, hostLittleEndian);
      const raw = await mark.runAsync({ data: PACKET, context: bytes, contextOut: 300 });
      assert.is(viewOf(raw.context).getUint32(8, hostLittleEndian), 7);
      assert.is(bytes[8], hostLittleEndian ? 3 : 0);
      // What the kernel does not let be set.
      assert.is(refused(mark, { data: PACKET, context: { len: 1 } }).code, "EINVAL");
    });
  },
);

kernelTest(test, "a raw tracepoint program gets its arguments", EVENTS, async () => {
  await assertNothingLeft(async () => {
    using bpf = load("product", "processor");
    const { product, processor } = bpf.programs;
    assert.is(product.run({ context: [6, 7n] }).returnValue, 42);
    assert.is((await product.runAsync({ context: [5, 9] })).returnValue, 45);
    assert.is(processor.run({ context: [], cpu: 0 }).returnValue, 0);
    const error = refused(product, { data: PACKET });
    assert.is(error.code, "EINVAL");
    assert.match(error.message, /programs of type raw_tracepoint do not take these data/);
  });
});

kernelTest(
  test,
  "a syscall program changes its context",
  { needs: "syscall programs", since: "5.14" },
  async () => {
    await assertNothingLeft(async () => {
      using bpf = load("add");
      const { add } = bpf.programs;
      const { returnValue, context } = add.run({
        context: { one: 0xffff_ffff, other: 2 },
        contextOut: true,
      });
      assert.is(returnValue, 7);
      assert.equal(context, { one: 0xffff_ffff, other: 2, sum: 0x1_0000_0001n, text: "ok" });
      const given = new Uint8Array(24);
      given[0] = 1;
      const after = await add.runAsync({ context: given, contextOut: 24 });
      assert.is(viewOf(after.context).getBigUint64(8, hostLittleEndian), 1n);
      // The caller's bytes are its own.
      assert.is(given[8], 0);
      assert.is(refused(add, { context: given, repeat: 2 }).code, "EINVAL");
    });
  },
);

kernelTest(
  test,
  "packets take the way that an XDP program says",
  { needs: "XDP test runs with live frames", since: "5.18" },
  () => {
    using bpf = load("drop");
    // A run that is interrupted begins again, after batches that have gone: seldom, and not each time.
    for (let attempt = 0; attempt < 5 && bpf.variables.runs.get() !== 300n; attempt++) {
      bpf.variables.runs.set(0n);
      bpf.programs.drop.run({
        data: PACKET,
        repeat: 300,
        batchSize: 50,
        flags: RunFlags.XDP_LIVE_FRAMES,
      });
    }
    assert.is(bpf.variables.runs.get(), 300n);
    const error = refused(bpf.programs.drop, { data: PACKET, batchSize: 64 });
    assert.match(error.message, /live frames are of XDP programs, with that flag, 256 at a time/);
  },
);

kernelTest(
  test,
  "socket lookups are run",
  { needs: "test runs of sk_lookup programs", since: "5.13" },
  () => {
    using bpf = load("look");
    // Addresses and ports without which the kernel looks nothing up: IPv4, TCP.
    const context = { family: 2, protocol: 6 };
    assert.is(bpf.programs.look.run({ context }).returnValue, 1);
  },
);

kernelTest(test, "what no kernel runs is named", () => {
  using bpf = load("message");
  const error = refused(bpf.programs.message, { data: PACKET });
  assert.instance(error, SyscallError);
  assert.is(error.code, "ENOTSUPP");
  assert.match(error.message, /no kernel runs programs of type sk_msg by hand/);
});

kernelTest(test, "a packet that is too short, and a closed program, are named", async () => {
  const bpf = load();
  const { mark } = bpf.programs;
  assert.match(refused(mark, {}).message, /take a packet as data, of 14 bytes at least/);
  bpf.close();
  assert.is(refused(mark, { data: PACKET }).code, "ERR_CLOSED");
  await mark.runAsync({ data: PACKET }).then(
    () => assert.unreachable("it ran"),
    (error: BpfError) => assert.is(error.code, "ERR_CLOSED"),
  );
});

kernelTest(test, "many runs on another thread leave this one alone", async () => {
  using bpf = load();
  const { mark } = bpf.programs;
  let ticks = 0;
  const timer = setInterval(() => ticks++, 5);
  try {
    // More with each attempt, until that takes as long as some ticks.
    let meanwhile = 0;
    let repeat = 2 ** 19;
    while (meanwhile <= 2 && repeat < 2 ** 31) {
      repeat *= 2;
      const before = bpf.variables.runs.get();
      ticks = 0;
      const running = mark.runAsync({ data: PACKET, repeat });
      let done = false;
      running.finally(() => {
        done = true;
      });
      // The event loop turns while the program runs.
      while (!done) await new Promise((resolve) => setImmediate(resolve));
      await running;
      meanwhile = ticks;
      assert.ok(bpf.variables.runs.get() - before >= BigInt(repeat));
    }
    assert.ok(meanwhile > 2, `${meanwhile} ticks of 5 ms`);
    ticks = 0;
    mark.run({ data: PACKET, repeat });
    assert.is(ticks, 0);
  } finally {
    clearInterval(timer);
  }
});

kernelTest(test, "a program that is closed while it runs runs to its end", async () => {
  await assertNothingLeft(async () => {
    const bpf = load();
    const running = bpf.programs.mark.runAsync({ data: PACKET, repeat: 10_000 });
    bpf.close();
    assert.is((await running).interruptions, 0);
  });
});

kernelTest(test, "runs that a signal ends begin again, and say so", async () => {
  using bpf = load();
  const { mark } = bpf.programs;
  const ignore = () => {};
  process.on("SIGUSR2", ignore);
  try {
    let interruptions = 0;
    // More with each attempt, until the signal finds the run at work.
    for (let repeat = 2 ** 20; repeat < 2 ** 31 && interruptions === 0; repeat *= 2) {
      const child = spawn("sh", ["-c", `kill -USR2 ${process.pid}`], { stdio: "ignore" });
      const end = new Promise((resolve) => child.once("close", resolve));
      interruptions = mark.run({ data: PACKET, repeat }).interruptions;
      await end;
    }
    assert.ok(interruptions > 0, "never interrupted");
  } finally {
    process.off("SIGUSR2", ignore);
  }
});

kernelTest(
  test,
  "edge 55: a run that is interrupted begins again, on this thread and off it",
  async () => {
    using bpf = load();
    const { mark } = bpf.programs;
    const before = bpf.variables.runs.get();
    for (const run of [() => mark.run({ data: PACKET }), () => mark.runAsync({ data: PACKET })]) {
      let interruptions = 0;
      const { failed, count } = await withFault(0, EINTR, async () => {
        ({ interruptions } = await run());
      });
      assert.equal([failed, count, interruptions], ["bpf", 2, 1]);
    }
    assert.is(bpf.variables.runs.get() - before, 2n);
  },
);

kernelTest(test, "options that make no sense are refused by name", () => {
  using bpf = load("product");
  const { mark } = bpf.programs;
  const cases: [RunOptions, RegExp][] = [
    [{ repeet: 1 } as object, /run program mark: unknown option "repeet"; did you mean "repeat"\?/],
    [{ repeat: -1 }, /repeat is -1, not an integer from 0/],
    [{ repeat: 2 ** 32 }, /repeat is 4294967296/],
    [{ cpu: 0.5 }, /cpu is 0.5/],
    [{ data: "x" as unknown as Uint8Array }, /data is no Uint8Array/],
    [
      { data: PACKET, context: { mrak: 1 } },
      /struct __sk_buff has no member mrak; did you mean "mark"\?/,
    ],
    [{ data: PACKET, context: { mark: -1 } }, /run program mark: context\.mark: /],
    [{ data: PACKET, context: [1] }, /context is an array, which only raw tracepoints take/],
    [{ data: PACKET, context: 5 as unknown as Uint8Array }, /context is 5, not bytes or an object/],
  ];
  for (const [options, pattern] of cases) {
    assert.throws(
      () => mark.run(options),
      (error: unknown) =>
        (error instanceof TypeError || error instanceof RangeError) && pattern.test(error.message),
    );
  }
  assert.throws(
    () => bpf.programs.product.run({ contextOut: true }),
    /nothing tells the type of its context; contextOut takes its size/,
  );
});

test("a context is written member by member", () => {
  const btf = btfOf(
    int,
    {
      kind: Kind.STRUCT,
      name: "context",
      size: 12,
      members: [
        { name: "", type: 3, bitOffset: 0, bitSize: 0 },
        { name: "flag", type: 1, bitOffset: 64, bitSize: 3 },
      ],
    },
    {
      kind: Kind.UNION,
      name: "",
      size: 8,
      members: [
        { name: "small", type: 1, bitOffset: 0, bitSize: 0 },
        { name: "second", type: 1, bitOffset: 32, bitSize: 0 },
      ],
    },
  );
  const encode = (value: Record<string, unknown>) =>
    contextBytes("run", value, { btf, id: 2 }, ProgramType.SYSCALL);
  const view = viewOf(encode({ small: -2, second: 9 }));
  assert.equal([view.getInt32(0, true), view.getInt32(4, true)], [-2, 9]);
  assert.throws(() => encode({ flag: 1 }), /flag is a bit field; give the context as bytes/);
  assert.throws(() => encode({ none: 1 }), /struct context has no member none/);
  assert.throws(() => encode({ small: 2 ** 40 }), isA(RangeError));
});

test("arguments of raw tracepoints are numbers of 64 bits", () => {
  const encode = (values: (number | bigint)[]) =>
    contextBytes("run", values, undefined, ProgramType.RAW_TRACEPOINT);
  const view = viewOf(encode([-1, 2n ** 63n]));
  assert.is(view.getBigUint64(0, hostLittleEndian), 2n ** 64n - 1n);
  assert.is(view.getBigUint64(8, hostLittleEndian), 2n ** 63n);
  assert.throws(() => encode([1, 2n ** 64n]), /context\[1\] is 18446744073709551616/);
  assert.throws(() => encode([0.5]), /context\[0\] is 0\.5/);
});

test("refusals say what programs of a type take", () => {
  const { RAW_TRACEPOINT, SK_LOOKUP, SYSCALL, XDP, TRACING } = ProgramType;
  const [EFAULT, EINVAL, EAFNOSUPPORT, E2BIG] = [14, 22, 97, 7];
  const packet = new Uint8Array(14);
  for (const [type, errno, options, message] of [
    [RAW_TRACEPOINT, EINVAL, {}, /\(programs of type raw_tracepoint take a context with as many /],
    [RAW_TRACEPOINT, EINVAL, { context: [1] }, /these context: they take a context with as many/],
    [SK_LOOKUP, EINVAL, {}, /take a context with members of struct bpf_sk_lookup/],
    [
      SK_LOOKUP,
      EAFNOSUPPORT,
      { context: {} },
      /family of the context is neither 2 \(AF_INET\) nor/,
    ],
    [SYSCALL, EINVAL, {}, /take a context of as many bytes as the program reads/],
    [XDP, EINVAL, { data: packet, context: { data_end: 9 } }, /data_end is the length of data/],
    [XDP, E2BIG, { data: packet, context: new Uint8Array(99) }, /longer than that of this kernel/],
    [
      TRACING,
      EFAULT,
      {},
      /no kernel runs tracing programs of trace_raw_tp by hand.*raw_tp are run/,
    ],
  ] as const) {
    const error = new SyscallError("run program x", { errno, syscall: "bpf" });
    const attachType = AttachType.TRACE_RAW_TP;
    const program = { name: "x", type, attachType, contextType: () => undefined };
    const explained = explainRun(error, program, options, { major: 6, minor: 12 });
    assert.match(String(explained), message);
    assert.is((explained as SyscallError).errno, errno);
  }
});

kernelTest(
  test,
  "a tracing program of a tracepoint is run by no kernel, which says so",
  { needs: "tracing programs", config: "CONFIG_DEBUG_INFO_BTF" },
  async () => {
    using bpf = CollectionSpec.fromFile(fixturePath("tp-btf.el.o")).loadSync();
    const [program] = Object.values(bpf.programs);
    const error = refused(program!, {});
    assert.is(error.code, "EFAULT");
    assert.match(error.message, /no kernel runs tracing programs of trace_raw_tp by hand/);
  },
);

test("refusals say what an old kernel lacks", () => {
  const error = new SyscallError("run program x", { errno: 524, syscall: "bpf" });
  const program = { name: "x", type: ProgramType.NETFILTER, contextType: () => undefined };
  const old = explainRun(error, program, {}, { major: 6, minor: 3 });
  assert.instance(old, UnsupportedError);
  assert.is((old as UnsupportedError).since, "6.4");
  const young = explainRun(error, program, {}, { major: 6, minor: 4 });
  assert.match(String(young), /does not run programs of type netfilter for what this one/);
});

test.run();
