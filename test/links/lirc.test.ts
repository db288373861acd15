import { closeSync, openSync, readSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { lirc, lircPrograms } from "../../links/lirc.ts";
import { hostLittleEndian, viewOf } from "../../src/bytes.ts";
import { UnsupportedError } from "../../src/error.ts";
import { native } from "../../src/sys/ffi.ts";
import { ProgramType } from "../../src/uapi.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { hostTest } from "../helper/kernel.ts";
import { Counter } from "./counter.ts";
import { isA, isTarget } from "./errors.ts";

const test = suite("links/lirc");
const PROG_ATTACH = 8;
const PROG_DETACH = 9;

interface Call {
  command: number;
  /** target_fd, attach_bpf_fd, attach_type, attach_flags, and what follows, of `union bpf_attr`. */
  words: number[];
}

/** Runs a body on a kernel that attaches and detaches whatever it is told; what it was told. */
function recording(body: () => void): Call[] {
  const table = native() as { bpf: (...parameters: number[]) => number };
  const real = table.bpf;
  const calls: Call[] = [];
  table.bpf = (...parameters) => {
    const [, command = 0, address = 0, size = 0] = parameters;
    if (command !== PROG_ATTACH && command !== PROG_DETACH) return real(...parameters);
    calls.push({ command, words: words(address, size) });
    return 0;
  };
  try {
    body();
  } finally {
    table.bpf = real;
  }
  return calls;
}

/** What is in this process's memory, as numbers of 32 bits. */
function words(address: number, size: number): number[] {
  const memory = openSync("/proc/self/mem", "r");
  try {
    const bytes = new Uint8Array(size);
    assert.is(readSync(memory, bytes, 0, size, address), size);
    const view = viewOf(bytes);
    return Array.from({ length: size / 4 }, (_, at) => view.getUint32(at * 4, hostLittleEndian));
  } finally {
    closeSync(memory);
  }
}

/** A program that is said to be of the type, which no kernel of the matrix has. */
function decoder(): { counter: Counter; program: Parameters<typeof lirc>[0] } {
  const counter = new Counter({ type: ProgramType.SOCKET_FILTER });
  const { fd } = counter.program;
  return {
    counter,
    program: { name: "decode", type: ProgramType.LIRC_MODE2, attachType: 16, attachTo: "", fd },
  };
}

hostTest(test, "the calls that attach and detach, word by word", async () => {
  await assertNothingLeft(() => {
    const { counter, program } = decoder();
    using _open = counter;
    const calls = recording(() => {
      using link = lirc(program, "/dev/null");
      assert.is(link.kind, "lirc_mode2");
      assert.is(link.description, "decode to lirc_mode2 of /dev/null");
      assert.is(link.outlivesProcess, true);
      assert.throws(() => link.update(program), isA(UnsupportedError));
      assert.throws(() => link.pin("/x"), isA(UnsupportedError));
    });
    assert.equal(
      calls.map(({ command }) => command),
      [PROG_ATTACH, PROG_DETACH],
    );
    for (const { words: said } of calls) {
      const [target, attached, ...rest] = said;
      assert.ok(target! > 2 && attached! > 2 && target !== attached);
      // `BPF_LIRC_MODE2`, without flags.
      assert.equal(rest, [16, ...rest.slice(1).map(() => 0)]);
    }
    assert.equal(calls[0]!.words, calls[1]!.words);
  });
});

hostTest(test, "devices that are none, and kernels without", async () => {
  await assertNothingLeft(() => {
    const { counter, program } = decoder();
    using _open = counter;
    assert.throws(() => lirc(program, "/dev/no-such-lirc"), isTarget("ENOENT"));
    assert.throws(() => lircPrograms("/dev/no-such-lirc"), isTarget("ENOENT"));
    assert.throws(() => lirc(program, ""), isA(TypeError));
    assert.throws(() => lirc(counter.program, "/dev/null"), /the hook takes lirc_mode2/);
    assert.throws(
      () => lirc(program, "/dev/null"),
      (error: unknown) =>
        error instanceof UnsupportedError && /CONFIG_BPF_LIRC_MODE2/.test(error.message),
    );
  });
});

test.run();
