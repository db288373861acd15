import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ArrayMap, HashMap, MapOfMaps, ProgramArray } from "../../maps/index.ts";
import { toHex } from "../../src/bytes.ts";
import { CoreKind } from "../../src/co-re/index.ts";
import { CollectionSpec } from "../../src/collection.ts";
import { type BpfError, VerifierError } from "../../src/error.ts";
import { type ProgramSpec, VariableSpec } from "../../src/spec/index.ts";
import { isA } from "../helper/errors.ts";
import { fixtureObjects, fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft, openDescriptors } from "../helper/hygiene.ts";
import { type KernelNeeds, kernelTest } from "../helper/kernel.ts";
import { SLOWNESS } from "../helper/slowness.ts";

const collection = suite("load: collections");
const PACKET = new Uint8Array(64);

function read(name: string): CollectionSpec {
  return CollectionSpec.fromFile(fixturePath(name));
}

/** What TypeScript is told of globals.el.o. */
interface Globals {
  programs: { add: unknown };
  variables: {
    step: bigint;
    total: bigint;
    runs: bigint;
    table: number[];
    current: { limit: number; name: string };
  };
}

/** What loading could change by mistake. */
function fingerprint(spec: CollectionSpec): string {
  const programs = Object.values(spec.programs).map(({ name, instructions }) => [
    name,
    toHex(instructions),
  ]);
  const maps = Object.values(spec.maps).map(({ name, data, maxEntries, flags }) => [
    name,
    data && toHex(data),
    maxEntries,
    flags,
  ]);
  return JSON.stringify([programs, maps]);
}

/** Objects that every kernel from 5.10 on takes as they are. */
const LOADABLE = [
  "calls.el.o",
  "calls.clang19.el.o",
  "calls.clang22.el.o",
  "calls.nobtf.el.o",
  "core-enums.el.o",
  "core-fields.el.o",
  "core-flavours.clang19.el.o",
  "core-subprograms.clang22.el.o",
  "core-types.el.o",
  "globals.el.o",
  "globals.nobtf.el.o",
  "legacy-maps.el.o",
  "legacy-maps.nobtf.el.o",
  "linked.el.o",
  "map-in-map.el.o",
  "maps.el.o",
  "minimal.el.o",
  "prog-array.el.o",
  "raw-tracepoint.el.o",
  "ringbuf.el.o",
  "same-section.el.o",
  "static-in-section.el.o",
  "strings.clang22.el.o",
  "tp-btf.el.o",
  "tracepoint.el.o",
  "types.el.o",
  "uprobe.el.o",
];

/** Objects that need a younger one. */
const YOUNGER: Readonly<Record<string, KernelNeeds>> = {
  "atomics.el.o": { needs: "atomic instructions", since: "5.12" },
};

for (const name of [...LOADABLE, ...Object.keys(YOUNGER)]) {
  const title = `${name} loads, twice from one spec, and leaves nothing`;
  kernelTest(collection, title, YOUNGER[name], async () => {
    const spec = read(name);
    const before = fingerprint(spec);
    await assertNothingLeft(async () => {
      const first = await spec.load();
      const second = spec.loadSync();
      assert.equal(Object.keys(second.programs), Object.keys(first.programs));
      assert.ok(Object.keys(first.programs).length > 0);
      first.close();
      first.close();
      second.close();
    });
    assert.is(fingerprint(spec), before);
  });
}

kernelTest(
  collection,
  "variables: set before loading, changed by the program, read and written after",
  async () => {
    const spec = CollectionSpec.fromFile<Globals>(fixturePath("globals.el.o"));
    spec.variables.step.set(5n);
    spec.variables.total.set(100n);
    assert.is(spec.variables.step.get(), 5n);
    await using bpf = await spec.load();
    const { total, runs, step, current, table } = bpf.variables;
    assert.is(total.get(), 100n);
    assert.is(bpf.programs.add.run({ data: PACKET }).returnValue, 105);
    assert.is(total.get(), 105n);
    assert.is(runs.get(), 1n);
    total.set(1000n);
    bpf.programs.add.run({ data: PACKET });
    assert.is(total.get(), 1005n);
    assert.equal(table.get(), [1, 2 + 2 * (7 + 11 + 9), 3, 4]);
    assert.is(current.get().name, "changed");
    assert.throws(() => step.set(1n), /read-only/);
    assert.throws(() => total.set(-1n), isA(RangeError));
    assert.throws(() => Object.assign(bpf.variables, { total: 5n }), /total/);
    assert.is(total.get(), 1005n);
  },
);

kernelTest(
  collection,
  "initial slots: maps of maps and program arrays hold what the object says",
  async () => {
    await using outer = await read("map-in-map.el.o").load();
    const nested = Object.values(outer.maps).filter((map) => map instanceof MapOfMaps);
    assert.ok(nested.length > 0);
    assert.ok(nested.some((map) => [...map.entries()].length > 0));
    await using tails = await read("prog-array.el.o").load();
    const arrays = Object.values(tails.maps).filter((map) => map instanceof ProgramArray);
    assert.ok(arrays.some((map) => [...map.entries()].length > 0));
  },
);

kernelTest(collection, "maps have the class of their type", async () => {
  await using bpf = await read("maps.el.o").load();
  assert.instance(bpf.maps.hash, HashMap);
  assert.instance(bpf.maps.array, ArrayMap);
  bpf.maps.array.set(3, bpf.maps.array.get(3));
  assert.throws(() => bpf.maps.array.set(8, bpf.maps.array.get(3)));
});

kernelTest(
  collection,
  "a rejected program: one error with program, reason, instruction and source line",
  async () => {
    const spec = read("rejected.el.o");
    const before = openDescriptors();
    for (const load of [() => spec.load(), async () => spec.loadSync()]) {
      try {
        await load();
        assert.unreachable("it was loaded");
      } catch (error) {
        assert.instance(error, VerifierError);
        const { message, program, code, log } = error as VerifierError;
        assert.is(program, "null_dereference");
        assert.is(code, "EACCES");
        assert.match(
          message,
          /^the verifier refused program null_dereference: what bpf_map_lookup_elem returned for map my_hash_map \(rejected\.bpf\.c:\d+\) may be NULL/,
        );
        assert.match(
          message,
          /, at rejected\.bpf\.c:\d+: return \*value;.* \(instruction 7: r0 = \*\(u32 \*\)\(r0 \+0\); in its words: R0 invalid mem access 'map_value_or_null'\)/,
        );
        assert.ok(log.length > 5);
        assert.not.match(message, /\n/);
      }
      assert.is(openDescriptors(), before, "everything made until then is closed");
    }
  },
);

kernelTest(
  collection,
  "a poisoned load of data is no call of whatever helper has the number of its map",
  () => {
    const spec = read("globals.el.o");
    const program = spec.programs["add"]!;
    const { slot } = program.references[0]!;
    // As GCC 12 has records at loads of an object's own data.
    const type = spec.btf!.find("settings")!;
    const record = { type, accessor: "0", kind: CoreKind.FIELD_BYTE_OFFSET, order: 0 };
    program.coreRelocations = [{ ...record, slot, section: "socket", offset: slot * 8 }];
    assert.throws(
      () => spec.loadSync(),
      (error: unknown) =>
        error instanceof VerifierError && /this kernel has no .*settings/.test(error.message),
    );
  },
);

kernelTest(collection, "a CO-RE access that the kernel has not is named in the error", () => {
  try {
    read("core-missing.el.o").loadSync();
    assert.unreachable("it was loaded");
  } catch (error) {
    assert.instance(error, VerifierError);
    assert.match((error as Error).message, /this kernel has no task_struct\.no_such_member/);
  }
});

kernelTest(collection, "a program without a type, and a program that is not wanted", async () => {
  const spec = read("unknown-sections.el.o");
  assert.throws(
    () => spec.loadSync(),
    (error: BpfError) => error.code === "ERR_PROGRAM_TYPE",
  );
  for (const program of Object.values(spec.programs)) program.autoload = false;
  await using bpf = await spec.load();
  assert.equal(Object.keys(bpf.programs), []);
});

kernelTest(
  collection,
  "a variable of an impossible type fails when it is read, and loading leaks nothing",
  async () => {
    const spec = read("globals.el.o");
    const { total } = spec.variables;
    spec.variables["total"] = new VariableSpec({
      ...total,
      type: 999_999,
      btf: spec.btf,
      data: new Uint8Array(64),
    });
    await assertNothingLeft(() => {
      const bpf = spec.loadSync({ int64: "number" });
      assert.throws(
        () => bpf.variables["total"].get(),
        (error: BpfError) => error.code === "ERR_BTF",
      );
      bpf.close();
    });
  },
);

/** What the verifier says of a loop without end. */
const LOOP = /(the verifier gave up|a loop does not come nearer).*for \(__u64 i = 0/;

kernelTest(collection, "each rejection names its own reason and C line", () => {
  const reasons = {
    out_of_bounds:
      /bytes 4 to 7 of a map value of 4 bytes are read, at .*return value \? value\[1\] : 0; \(/,
    // An emulated machine needs a minute to print a million instructions.
    ...(SLOWNESS === 1 && { endless: LOOP }),
    large_stack: /a write at offset -520 is outside of the stack/,
    unwritten_register: /register r7 is read, which has no value.*\(instruction 0: r0 = r7/,
  };
  const spec = read("rejected.el.o");
  for (const [name, reason] of Object.entries(reasons)) {
    for (const program of Object.values<ProgramSpec>(spec.programs)) {
      program.autoload = program.name === name;
    }
    assert.throws(
      () => spec.loadSync(),
      (error: Error) => reason.test(error.message),
      name,
    );
  }
});

kernelTest(
  collection,
  "int64 makes numbers of variables, too, which throw above 2^53",
  async () => {
    const spec = CollectionSpec.fromFile<{ variables: { total: number | bigint } }>(
      fixturePath("globals.el.o"),
    );
    await using bpf = await spec.load({ int64: "number" });
    assert.is(bpf.variables.total.get(), 39);
    bpf.variables.total.set(2n ** 60n);
    assert.throws(() => bpf.variables.total.get(), isA(RangeError));
  },
);

collection("options of the wrong kind are named", () => {
  const spec = read("minimal.el.o");
  for (const [options, message] of [
    [{ btf: "6.1.btf" }, /btf is no Btf/],
    [{ int64: "numbr" }, /int64 is "numbr"/],
    [{ signal: new AbortController() }, /no AbortSignal/],
    [{ logLvl: 1 }, /unknown option "logLvl"; did you mean "logLevel"/],
  ] as const) {
    assert.throws(() => spec.loadSync(options as object), message);
  }
});

collection("the other byte order is refused by name", () => {
  const bigEndian = fixtureObjects().filter(
    (name) => name.endsWith(".eb.o") && name !== "map-static.eb.o",
  );
  assert.ok(bigEndian.length > 50);
  for (const name of bigEndian) {
    assert.throws(
      () => read(name).loadSync(),
      (error: BpfError) => error.code === "ERR_BYTE_ORDER" && /big endian/.test(error.message),
      name,
    );
  }
});

collection.run();
