/**
 * Arenas: memory shared with programs, and an object's variables in it.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { arenaDataOffset } from "../../maps/arena.ts";
import { Arena, createMap } from "../../maps/index.ts";
import { CollectionSpec } from "../../src/collection.ts";
import type { BpfError } from "../../src/error.ts";
import { pageSize } from "../../src/sys/kernel.ts";
import { MapFlags, MapType } from "../../src/uapi.ts";
import { isA } from "../helper/errors.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { mapSpec } from "./specs.ts";

const test = suite("maps/arena");
const needs = { needs: "arenas", since: "6.9" };
const shape = {
  name: "memory",
  type: MapType.ARENA,
  keySize: 0,
  valueSize: 0,
  maxEntries: 4,
  flags: MapFlags.MMAPABLE,
};
/** An address at which no program has anything, on a boundary of 4 GiB. */
const PLACE = 0x1234_0000_0000n;

function codeOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return (error as BpfError).code ?? (error as Error).name;
  }
}

test("variables stand at the end, on pages of their own, where instructions reach them", () => {
  assert.is(arenaDataOffset(10 * 4096, 8, 4096), 9 * 4096);
  assert.is(arenaDataOffset(10 * 4096, 4097, 4096), 8 * 4096);
  assert.is(arenaDataOffset(4096, 4096, 4096), 0);
  assert.is(arenaDataOffset(0x2000_0000, 1, 4096), 0x2000_0000 - 4096);
  assert.is(arenaDataOffset(0x2000_2000, 1, 4096), 0);
});

kernelTest(test, "memory is the arena's, at the place that was asked for", needs, () => {
  using arena = createMap(mapSpec({ ...shape, mapExtra: PLACE })) as Arena;
  assert.instance(arena, Arena);
  assert.is(arena.size, 4 * pageSize());
  const memory = arena.memory();
  assert.is(memory.byteLength, arena.size);
  assert.is(arena.memory(), memory);
  assert.is(arena.address, PLACE);
  new Uint8Array(memory)[pageSize()] = 5;
  assert.is(new Uint8Array(arena.memory())[pageSize()], 5);
  assert.is(arena.offsetOf(PLACE + 16n), 16);
  assert.throws(() => arena.offsetOf(PLACE + BigInt(arena.size)), /does not point into it/);
  assert.throws(() => arena.offsetOf(0n), /arena memory: 0x0/);
  using other = arena.clone();
  assert.ok(["EBUSY", "EEXIST"].includes(codeOf(() => other.memory())!), "one mapping a process");
});

kernelTest(test, "memory ends with the map, without a crash", needs, () =>
  assertNothingLeft(() => {
    const arena = createMap(mapSpec(shape)) as Arena;
    const bytes = new Uint8Array(arena.memory());
    bytes[0] = 1;
    assert.ok(arena.address > 0n);
    arena.close();
    assert.ok(bytes[0] === undefined || bytes[0] === 0);
    assert.is(
      codeOf(() => arena.memory()),
      "ERR_CLOSED",
    );
  }),
);

kernelTest(test, "variables of an object are stored, read and written", needs, () =>
  assertNothingLeft(() => {
    for (const [place, object] of [
      [0n, "arena.clang22.el.o"],
      [PLACE + 0x1_0000_0000n, "arena.clang19.el.o"],
    ] as const) {
      const spec = CollectionSpec.fromFile(fixturePath(object));
      spec.variables["second"]!.set(3);
      spec.maps["arena"]!.mapExtra = place;
      using bpf = spec.loadSync();
      const { first, second, pointer } = bpf.variables;
      assert.equal([first?.get(), second?.get(), pointer?.get()], [40, 3, 0n]);
      assert.equal([first?.readOnly, first?.constant, first?.size], [false, false, 4]);
      assert.is(bpf.programs["program"]?.run().returnValue, 45);
      assert.equal([first?.get(), second?.get()], [41, 4]);
      first?.set(100);
      assert.is(bpf.programs["program"]?.run().returnValue, 106);
      assert.throws(() => first?.set(-1), isA(RangeError));
      assert.is(first?.get(), 101);
      const arena = bpf.maps["arena"] as Arena;
      assert.is(arena.address, place === 0n ? arena.address : place);
      const [stored] = new Uint32Array(arena.memory(), arena.dataOffset(8), 1);
      assert.is(stored, 101);
      bpf.close();
      assert.is(
        codeOf(() => first?.get()),
        "ERR_CLOSED",
      );
    }
  }),
);

kernelTest(test, "variables that cannot be stored are refused, and nothing stays", needs, () =>
  assertNothingLeft(() => {
    const spec = CollectionSpec.fromFile(fixturePath("arena.clang22.el.o"));
    const arena = spec.maps["arena"]!;
    arena.flags |= MapFlags.SEGV_ON_FAULT;
    assert.is(
      codeOf(() => spec.loadSync()),
      "ERR_ARENA_VARIABLES",
    );
    arena.flags &= ~MapFlags.SEGV_ON_FAULT;
    arena.data = new Uint8Array(11 * pageSize());
    assert.throws(() => spec.loadSync(), /arena arena: they have \d+ bytes, and its 10 pages/);
  }),
);

test.run();
