import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createMap, type HashMap, MapOfMaps, ProgramArray } from "../../maps/index.ts";
import { alu, assemble, exit } from "../../src/asm/index.ts";
import { type BpfError, SyscallError } from "../../src/error.ts";
import { programLoad } from "../../src/sys/bpf.ts";
import { MapType, ProgramType } from "../../src/uapi.ts";
import { kernelTest } from "../helper/kernel.ts";
import { mapSpec } from "./specs.ts";
import { testTypes } from "./types-builder.ts";

const test = suite("maps/descriptors");
const types = testTypes();
const typed = { btf: types.btf, keyType: types.u32, valueType: types.u64 };

kernelTest(test, "an array of maps takes maps and opens them again, typed by the template", () => {
  const inner = mapSpec({ ...typed, name: "outer_inner" });
  using outer = createMap(
    mapSpec({ name: "outer", type: MapType.ARRAY_OF_MAPS, valueSize: 0, maxEntries: 3, inner }),
  ) as MapOfMaps<number>;
  assert.instance(outer, MapOfMaps);
  assert.is(outer.idOf(1), undefined);
  assert.is(outer.get(1), undefined);
  const map = createMap(inner) as HashMap<number, bigint>;
  map.set(1, 2n);
  outer.set(1, map);
  assert.ok(outer.has(1));
  assert.is(outer.idOf(1), map.id);
  map.close();
  using again = outer.get(1) as HashMap<number, bigint>;
  assert.is(again.get(1), 2n, "kept by the outer map");
  assert.is(again.name, "outer[1]");
  assert.equal([...outer], [[1, again.id]]);
  assert.ok(outer.delete(1));
  assert.not.ok(outer.delete(1));
});

kernelTest(test, "a hash of maps has keys of its type", () => {
  const inner = mapSpec({ type: MapType.ARRAY, maxEntries: 2 });
  using outer = createMap(
    mapSpec({
      type: MapType.HASH_OF_MAPS,
      btf: types.btf,
      valueSize: 0,
      keySize: 8,
      keyType: types.flow,
      inner,
    }),
  ) as MapOfMaps<{ source: number; target: number }>;
  using map = createMap(inner);
  outer.set({ source: 1, target: 2 }, map);
  assert.equal([...outer], [[{ source: 1, target: 2 }, map.id]]);
  using other = createMap({ ...inner, valueSize: 16 });
  assert.throws(
    () => outer.set({ source: 1, target: 3 }, other),
    (error: unknown) =>
      error instanceof SyscallError &&
      error.code === "EINVAL" &&
      /unlike the template/.test(error.message),
  );
});

kernelTest(test, "a program array takes programs of one type", () => {
  using array = createMap(
    mapSpec({ name: "jumps", type: MapType.PROG_ARRAY, keySize: 0, valueSize: 0, maxEntries: 300 }),
  ) as ProgramArray;
  assert.instance(array, ProgramArray);
  const instructions = assemble([alu("r0", "=", 0), exit()]).bytes;
  const load = (type: number, name: string) => {
    const { fd, log } = programLoad({ type, license: "GPL", name, instructions });
    if (fd === undefined) throw new Error(log);
    return { name, fd };
  };
  const filter = load(ProgramType.SOCKET_FILTER, "filter");
  const xdp = load(ProgramType.XDP, "drop");
  try {
    for (const index of [0, 7, 299]) array.set(index, filter);
    assert.equal(
      [...array].map(([index]) => index),
      [0, 7, 299],
    );
    assert.is(array.idOf(7), array.idOf(299));
    assert.is(array.idOf(8), undefined);
    assert.throws(
      () => array.set(1, xdp),
      (error: unknown) =>
        (error as BpfError).code === "EINVAL" && /program drop into jumps/.test(String(error)),
    );
    assert.ok(array.delete(7));
    assert.not.ok(array.has(7));
  } finally {
    filter.fd.close();
    xdp.fd.close();
  }
});

test.run();
