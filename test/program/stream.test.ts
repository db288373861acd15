import { getEventListeners } from "node:events";
/**
 * What programs print into their own streams.
 */

import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Collection, CollectionSpec } from "../../src/collection.ts";
import { type BpfError, UnsupportedError } from "../../src/error.ts";
import type { Program } from "../../src/program.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { isOlderThan, kernelTest } from "../helper/kernel.ts";
import { SLOWNESS } from "../helper/slowness.ts";

const test = suite("program: streams");
const PACKET = { data: new Uint8Array(64) };
/** The streams are of 6.17; the function that the fixture prints with has its name since 6.18. */
const STREAMS = { needs: "streams of programs", since: "6.18", obstacle };
const ENOMEM = 12n;

interface Streams {
  programs: { print_output: unknown; print_both: unknown };
  variables: { size: number; result: bigint };
}

function load(): Collection<Streams> {
  return CollectionSpec.fromFile<Streams>(fixturePath("streams.el.o")).loadSync();
}

/** The kernel takes no lock for the text's memory, and has none while some of the machine's is not initialised yet. */
function obstacle(): string | undefined {
  using bpf = load();
  const { print_output: program } = bpf.programs;
  program.run(PACKET);
  program.stream("stdout").read();
  return bpf.variables.result.get() === -ENOMEM
    ? "the kernel has no memory for what programs print"
    : undefined;
}

kernelTest(test, "both streams are read apart from each other, once", STREAMS, async () => {
  await assertNothingLeft(() => {
    using bpf = load();
    const { print_both: program, print_output: other } = bpf.programs;
    const [stdout, stderr] = [program.stream("stdout"), program.stream("stderr")];
    assert.equal([stdout.read(), stderr.read()], ["", ""]);
    program.run(PACKET);
    bpf.variables.size.set(8);
    program.run(PACKET);
    assert.is(bpf.variables.result.get(), 0n);
    assert.equal(
      [stdout.read(), stderr.read()],
      ["größe 7\ngröße 8\n", "trouble 7 of 9\ntrouble 8 of 9\n"],
    );
    assert.equal([stdout.read(), stderr.read(), other.stream("stdout").read()], ["", "", ""]);
    assert.is(program.stream("stdout"), stdout);
  });
});

kernelTest(
  test,
  "more than one read takes comes whole, whatever it is cut through",
  STREAMS,
  () => {
    using bpf = load();
    const { print_output: program } = bpf.programs;
    program.run({ ...PACKET, repeat: 5000 });
    assert.is(bpf.variables.result.get(), 0n);
    // Lines of eleven bytes, two characters of two bytes each.
    assert.is(program.stream("stdout").read(), "größe 7\n".repeat(5000));
    // What finds no room is refused.
    program.run({ ...PACKET, repeat: 12_000 });
    assert.is(bpf.variables.result.get(), -28n);
    const length = Buffer.byteLength(program.stream("stdout").read());
    assert.ok(length > 90_000 && length <= 100_000, String(length));
  },
);

kernelTest(test, "what comes is followed, until it is enough", STREAMS, async () => {
  await assertNothingLeft(async () => {
    const bpf = load();
    const { print_output: program } = bpf.programs;
    program.run(PACKET);
    const later = sleep(30).then(() => program.run(PACKET));
    let text = "";
    const enough = AbortSignal.timeout(60_000 * SLOWNESS);
    for await (const piece of program.stream("stdout").follow({ signal: enough, interval: 5 })) {
      text += piece;
      if (text.split("\n").length > 2) break;
    }
    await later;
    assert.is(text, "größe 7\ngröße 7\n");

    const controller = new AbortController();
    const { signal } = controller;
    const pieces = collect(program.stream("stdout").follow({ signal, interval: 1_000_000 }));
    controller.abort();
    assert.equal(await pieces, []);
    // An aborted signal is no failure, and neither is the end of the program.
    assert.equal(await collect(program.stream("stderr").follow({ signal })), []);
    const closed = collect(program.stream("stderr").follow({ interval: 1_000_000 }));
    bpf.close();
    assert.equal(await closed, []);
    assert.throws(
      () => program.stream("stdout").read(),
      (error: BpfError) => error.code === "ERR_CLOSED",
    );
  });
});

async function collect(pieces: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = [];
  for await (const piece of pieces) found.push(piece);
  return found;
}

kernelTest(test, "kernels without streams are told from failures", async () => {
  using bpf = CollectionSpec.fromFile<{ programs: { add: unknown } }>(
    fixturePath("globals.el.o"),
  ).loadSync();
  const stream = bpf.programs.add.stream("stdout");
  if (!isOlderThan("6.17")) {
    assert.is(stream.read(), "");
    return;
  }
  const check = (error: unknown): boolean => {
    assert.instance(error, UnsupportedError);
    assert.is((error as UnsupportedError).since, "6.17");
    assert.match((error as Error).message, /^read stdout of program add: .*no streams/);
    return true;
  };
  assert.throws(() => stream.read(), check);
  const failure = await stream
    .follow()
    .next()
    .catch((error: unknown) => error);
  check(failure);
});

kernelTest(
  test,
  "who waits for text that never comes can leave",
  { needs: "streams of programs", since: "6.17" },
  async () => {
    using bpf = CollectionSpec.fromFile<{ programs: { add: unknown } }>(
      fixturePath("globals.el.o"),
    ).loadSync();
    const options = { interval: 1_000_000 };
    const stream = bpf.programs.add.stream("stdout");
    const pieces = stream.follow(options);
    const next = pieces.next();
    const done = { value: undefined, done: true };
    assert.equal(await pieces.return?.(), done);
    assert.equal([await next, await pieces.next()], [done, done]);
    // More listeners than ten make Node warn of a leak.
    const { signal } = new AbortController();
    const closed = Array.from({ length: 20 }, () => collect(stream.follow({ ...options, signal })));
    assert.is(getEventListeners(signal, "abort").length, 1);
    bpf.close();
    assert.equal((await Promise.all(closed)).flat(), []);
    assert.is(getEventListeners(signal, "abort").length, 0);
  },
);

kernelTest(test, "what is no stream, and no way to follow one, is refused", () => {
  using bpf = CollectionSpec.fromFile<{ programs: { add: unknown } }>(
    fixturePath("globals.el.o"),
  ).loadSync();
  const program: Program = bpf.programs.add;
  assert.throws(
    () => program.stream("stdin" as "stdout"),
    /no stream "stdin"; there are stdout and stderr/,
  );
  const follow = (options: object) => () => program.stream("stderr").follow(options);
  assert.throws(follow({ interval: 0 }), /interval is 0, not 1 ms or more/);
  assert.throws(follow({ signal: 1 }), /signal is no AbortSignal/);
  assert.throws(follow({ intervall: 1 }), /intervall/);
});

test.run();
