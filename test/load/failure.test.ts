/**
 * Loading, attaching and closing that fail on the way: what was made until then is let go, and the first error is the one that is told.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { abandonAll, closeAll } from "../../src/close-all.ts";
import { Collection, CollectionSpec } from "../../src/collection.ts";
import { BpfError } from "../../src/error.ts";
import type { ProgramSpec } from "../../src/spec/index.ts";
import { CALLS_AT_ONCE } from "../../src/sys/async.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";

const failure = suite("load: failures on the way");

function read(name: string): CollectionSpec {
  return CollectionSpec.fromFile(fixturePath(name));
}

/** An object with more programs than are verified at once. */
function many(): CollectionSpec {
  const spec = read("same-section.el.o");
  const programs = Object.values<ProgramSpec>(spec.programs);
  for (let i = 0; i < 3 * CALLS_AT_ONCE; i++) {
    const name = `more_${i}`;
    spec.programs[name] = { ...programs[i % programs.length]!, name };
  }
  return spec;
}

/** The program as the verifier refuses it. */
function refused(program: ProgramSpec): ProgramSpec {
  // `exit` alone: r0 was never set.
  const instructions = Uint8Array.of(0x95, 0, 0, 0, 0, 0, 0, 0);
  return { ...program, instructions, references: [], coreRelocations: [], lines: [] };
}

/** The error of `load`, both ways of it. */
async function bothErrors(
  spec: CollectionSpec,
  options?: Parameters<CollectionSpec["load"]>[0],
): Promise<unknown[]> {
  const errors: unknown[] = [];
  for (const load of [() => spec.load(options), async () => spec.loadSync(options)]) {
    await assertNothingLeft(async () => {
      try {
        (await load()).close();
        assert.unreachable("it was loaded");
      } catch (error) {
        errors.push(error);
      }
    });
  }
  return errors;
}

kernelTest(failure, "the map in the middle that cannot be created", async () => {
  const spec = read("maps.el.o");
  const names = Object.keys(spec.maps);
  assert.ok(names.length > 4);
  spec.maps[names[3]!]!.keySize = 100_000;
  for (const error of await bothErrors(spec)) {
    assert.instance(error, BpfError);
    assert.ok((error as Error).message.includes(names[3]!), String(error));
  }
});

kernelTest(failure, "the second of three programs that the verifier refuses", async () => {
  const spec = read("same-section.el.o");
  const names = Object.keys(spec.programs);
  assert.is(names.length, 3);
  const name = names[1]!;
  spec.programs[name] = refused(spec.programs[name]!);
  for (const error of await bothErrors(spec)) {
    assert.match(String(error), `the verifier refused program ${name}`);
  }
});

kernelTest(failure, "a slot that is to hold what is not loaded", async () => {
  const spec = read("prog-array.el.o");
  const [map] = Object.values(spec.maps).filter(({ slots }) => slots.length > 0);
  map!.slots[0]!.name = "nowhere";
  for (const error of await bothErrors(spec)) {
    assert.match(
      String(error),
      `load map ${map!.name}: slot ${map!.slots[0]!.index} is to hold nowhere`,
    );
  }
});

kernelTest(failure, "a map that the caller took out, and options that do not exist", async () => {
  const spec = read("maps.el.o");
  const [name = ""] = Object.values(spec.programs)[0]!.references.map(
    (one: ProgramSpec) => one.name,
  );
  delete spec.maps[name];
  for (const error of await bothErrors(spec))
    assert.match(String(error), `it refers to map ${name}`);
  for (const error of await bothErrors(spec, { loglevel: 1 } as object)) {
    assert.instance(error, TypeError);
    assert.match(String(error), 'unknown option "loglevel"');
  }
});

kernelTest(failure, "a signal that aborts before, and between two programs", async () => {
  const spec = read("same-section.el.o");
  const reason = new Error("no longer wanted");
  for (const error of await bothErrors(spec, { signal: AbortSignal.abort(reason) })) {
    assert.is(error, reason);
  }
  await assertNothingLeft(async () => {
    // Of the first there are fewer programs than are verified at once, of the second more.
    for (const object of [spec, many()]) {
      const ending = new AbortController();
      const loading = object.load({ signal: ending.signal });
      // The first program is with the verifier by now.
      ending.abort(reason);
      await loading.then(
        () => assert.unreachable("it was loaded"),
        (error: unknown) => assert.is(error, reason),
      );
    }
  });
});

kernelTest(failure, "of many programs, the first one's error; and all in their order", async () => {
  await assertNothingLeft(async () => {
    const spec = many();
    const names = Object.keys(spec.programs);
    const [first, last] = [names[1]!, names.at(-1)!];
    const good = { ...spec.programs };
    for (const name of [first, last]) spec.programs[name] = refused(good[name]!);
    for (const error of await bothErrors(spec)) {
      assert.match(String(error), `the verifier refused program ${first}`);
    }
    spec.programs[first] = good[first]!;
    for (const error of await bothErrors(spec)) {
      assert.match(String(error), `the verifier refused program ${last}`);
    }
    spec.programs[last] = good[last]!;
    await using bpf = await spec.load();
    assert.equal(Object.keys(bpf.programs), names);
  });
});

kernelTest(failure, "a map or program that was given another name is still one", async () => {
  await assertNothingLeft(async () => {
    const spec = read("maps.el.o");
    const [first = "", second = ""] = Object.keys(spec.maps);
    spec.maps[first]!.name = second;
    const [program = ""] = Object.keys(spec.programs);
    spec.programs[program]!.name = "a name that no kernel takes";
    await using bpf = await spec.load();
    assert.equal(Object.keys(bpf.maps), Object.keys(spec.maps));
    assert.is(bpf.programs[program]?.name, "a name that no kernel takes");
  });
});

kernelTest(
  failure,
  "the second program that cannot be attached, after the first one was",
  async () => {
    const spec = read("raw-tracepoint.el.o");
    const programs = Object.values(spec.programs);
    assert.is(programs.length, 2);
    programs[1]!.attachTo = "no_such_tracepoint";
    await using bpf = await spec.load();
    await assertNothingLeft(() => {
      assert.throws(() => bpf.attach(), /no_such_tracepoint/);
    });
    assert.throws(() => bpf.attach({ onerror: "skip" } as object), /unknown option "onerror"/);
  },
);

kernelTest(failure, "use after close is an error by name; closing again is none", async () => {
  await assertNothingLeft(async () => {
    const bpf = await read("raw-tracepoint.el.o").load();
    const links = bpf.attach();
    links.close();
    links.close();
    await links.closeAsync();
    const [program] = Object.values(bpf.programs);
    const [map] = Object.values(bpf.maps);
    const [variable] = Object.values(bpf.variables);
    bpf.close();
    bpf.close();
    await bpf[Symbol.asyncDispose]();
    const isClosed = (error: BpfError): boolean => error.code === "ERR_CLOSED";
    assert.throws(() => program?.run(), isClosed);
    assert.throws(() => program?.pin("/sys/fs/bpf/never"), isClosed);
    assert.throws(() => map?.info(), isClosed);
    assert.throws(() => variable?.get(), isClosed);
    assert.throws(() => bpf.attach(), isClosed);
    // Also where it would attach nothing.
    assert.throws(() => bpf.attach({ onError: "skip" }), isClosed);
  });
});

failure("one that fails to close keeps no other from closing, and is told", () => {
  const closed: number[] = [];
  const handle = (number: number, error?: Error): { close(): void } => ({
    close() {
      closed.push(number);
      if (error !== undefined) throw error;
    },
  });
  const first = new Error("first");
  const handles = [handle(1), handle(2, first), handle(3, new Error("second")), handle(4)];
  assert.throws(
    () => closeAll(handles),
    (error: unknown) => error === first,
  );
  assert.equal(closed, [1, 2, 3, 4]);
  abandonAll(handles);
  assert.equal(closed, [1, 2, 3, 4, 1, 2, 3, 4]);
});

failure("a collection is made of what was loaded, and of nothing else", () => {
  const spec = read("globals.el.o");
  const empty = new Collection(
    { programs: Object.create(null), maps: Object.create(null), ownedMaps: [] },
    spec,
  );
  assert.equal(Object.keys(empty.variables), []);
  empty.close();
});

failure.run();
