/**
 * Objects whose maps outlive the loader, or were there before it: pinned by their names, or given by the caller.
 */

import { mkdtempSync, readdirSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ArrayMap, createMap, type HashMap, openMap } from "../../maps/index.ts";
import { CollectionSpec } from "../../src/collection.ts";
import { BpfError, IncompatibleMapError, VerifierError } from "../../src/error.ts";
import { MapFlags } from "../../src/uapi.ts";
import { ebpf } from "../helper/cli.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft, kernelObjects, objectsLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { withMount } from "../links/mounts.ts";

const pins = suite("load: pins and replacements");
const PACKET = new Uint8Array(64);

function read(name: string): CollectionSpec {
  return CollectionSpec.fromFile(fixturePath(name));
}

function hasCode(code: string, message = /(?:)/): (error: unknown) => boolean {
  return (error) => error instanceof BpfError && error.code === code && message.test(error.message);
}

/** What is pinned in a folder. Kernels put iterators with dots in their names into a new file system. */
function pinsIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => !name.includes("."))
    .sort();
}

/** An object of which some maps are pinned by their names. */
function pinning(...names: string[]): CollectionSpec {
  const spec = read("maps.el.o");
  for (const name of names) spec.maps[name]!.pinning = 1;
  return spec;
}

/** Runs `body` with a folder for pins and asserts that nothing is left, in this process and in the kernel. */
async function withPins(body: (folder: string) => void | Promise<void>): Promise<void> {
  const before = kernelObjects();
  await assertNothingLeft(() => withMount("bpf", body));
  assert.equal(await objectsLeft(before), []);
}

kernelTest(pins, "maps that are pinned by their names are the same in the next load", () =>
  withPins(async (folder) => {
    const spec = pinning("hash", "array");
    const pinPath = join(folder, "mine");
    const first = await spec.load({ pinPath });
    assert.equal(pinsIn(pinPath), ["array", "hash"]);
    assert.is(first.maps.hash.pinnedPath, join(pinPath, "hash"));
    first.maps.hash.set({ x: 1, y: 2 }, 3n);
    const { id } = first.maps.hash;
    first.close();
    const second = spec.loadSync({ pinPath, int64: "number" });
    assert.is(second.maps.hash.id, id);
    assert.is(second.maps.hash.get({ x: 1, y: 2 }), 3, "typed by the object");
    assert.is(second.maps.percpu_hash.pinnedPath, undefined);
    for (const map of [second.maps.hash, second.maps.array]) map.unpin();
    assert.equal(pinsIn(pinPath), []);
    second.close();
  }),
);

kernelTest(pins, "a pinned map that is unlike the object's is refused, and left alone", () =>
  withPins(async (folder) => {
    using wrong = createMap({ ...read("maps.el.o").maps.array!, maxEntries: 9 }, {});
    wrong.pin(join(folder, "array"));
    for (const load of [
      () => pinning("hash", "array").load({ pinPath: folder }),
      async () => pinning("hash", "array").loadSync({ pinPath: folder }),
    ]) {
      const error = await load().then(
        () => assert.unreachable("it was loaded"),
        (reason: unknown) => reason,
      );
      assert.instance(error, IncompatibleMapError);
      assert.equal((error as IncompatibleMapError).differences, [
        { member: "maxEntries", wanted: 8, found: 9 },
      ]);
      assert.equal(pinsIn(folder), ["array"], "hash was pinned before, and is no more");
    }
  }),
);

kernelTest(pins, "a load that fails later takes back its own pins, and no others", () =>
  withPins(async (folder) => {
    const before = await pinning("array").load({ pinPath: folder });
    const spec = pinning("hash", "array", "lru_hash");
    const [program] = Object.values(spec.programs);
    // `exit` alone: r0 was never set.
    program!.instructions = Uint8Array.of(0x95, 0, 0, 0, 0, 0, 0, 0);
    program!.references = [];
    program!.coreRelocations = [];
    program!.lines = [];
    await spec.load({ pinPath: folder }).then(
      () => assert.unreachable("it was loaded"),
      (error: unknown) => assert.instance(error, VerifierError),
    );
    assert.equal(pinsIn(folder), ["array"]);
    before.close();
  }),
);

kernelTest(pins, "where a map cannot be pinned nothing is left of the others", () =>
  withPins((folder) => {
    const dotted = pinning("hash", "array");
    dotted.maps.array!.name = "array.of.dots";
    assert.throws(
      () => dotted.loadSync({ pinPath: folder }),
      hasCode("ERR_PIN_NAME", /array\.of\.dots by its name in .*such as "array_of_dots"/),
    );
    assert.equal(pinsIn(folder), []);
    dotted.maps.array!.name = "array_of_dots";
    const loaded = dotted.loadSync({ pinPath: folder });
    assert.equal(pinsIn(folder), ["array_of_dots", "hash"]);
    loaded.close();
    const spec = pinning("hash");
    const elsewhere = mkdtempSync(join(tmpdir(), "ebpf-pins-"));
    const wrong = () => spec.loadSync({ pinPath: elsewhere });
    assert.throws(wrong, hasCode("ERR_NOT_BPFFS", /mount -t bpf/));
    assert.throws(() => spec.loadSync({ pinPath: join(folder, "a/b") }), hasCode("ENOENT"));
    assert.equal(readdirSync(elsewhere), []);
    rmdirSync(elsewhere);
    assert.throws(() => spec.loadSync({ pinPath: "" }), /pinPath is "", not a path/);
  }),
);

kernelTest(pins, "a data section that is pinned keeps its values through loads", () =>
  withPins((folder) => {
    const spec = read("globals.el.o");
    const data = Object.values(spec.maps).find(({ name }) => name.endsWith("data"))!;
    assert.ok(spec.variables.total.map === ".data", spec.variables.total.map);
    const section = spec.maps[".data"]!;
    assert.ok(data);
    section.pinning = 1;
    section.name = "shared_data";
    spec.variables.total.set(100n);
    const first = spec.loadSync({ pinPath: folder });
    first.variables.step.get();
    const step = first.variables.step.get();
    first.programs.add.run({ data: PACKET });
    first.close();
    const second = spec.loadSync({ pinPath: folder });
    assert.is(second.variables.total.get(), 100n + step, "not stored again");
    second.variables.total.set(7n);
    using found = openMap(join(folder, "shared_data"), { raw: true }) as ArrayMap;
    assert.instance(found, ArrayMap);
    second.programs.add.run({ data: PACKET });
    assert.is(second.variables.total.get(), 7n + step);
    second.close();
  }),
);

kernelTest(pins, "a map of the caller's is used in place of the object's, and stays open", () =>
  withPins(async () => {
    const first = await read("maps.el.o").load();
    const { array } = first.maps;
    const before = array.get(1);
    const second = await read("maps.el.o").load({ maps: { array } });
    assert.is(second.maps.array, array);
    second.programs.touch.run({ data: PACKET });
    assert.is(array.get(1), before + 1n);
    second.close();
    second.close();
    assert.not.ok(array.closed);
    assert.is(array.get(1), before + 1n);
    first.close();
  }),
);

kernelTest(pins, "replacements: of other sizes, of no such name, of no map", () =>
  withPins(async () => {
    const spec = read("maps.el.o");
    using array = createMap(spec.maps.array!);
    using hash = createMap({ ...spec.maps.hash!, flags: MapFlags.NO_PREALLOC }) as HashMap;
    const load = (maps: object) => () => spec.loadSync({ maps: maps as Record<string, HashMap> });
    assert.throws(
      load({ hash }),
      (error: unknown) =>
        error instanceof IncompatibleMapError &&
        /use map hash in place of the object's map hash: its map_flags is 0x1, not 0x0/.test(
          error.message,
        ),
    );
    assert.throws(load({ arrai: array }), /maps names "arrai".*did you mean "array"/);
    assert.throws(load({ zzzzzzzz: array }), /it has hash, array, /);
    assert.throws(load({ array: {} }), /maps\.array is no map in the kernel/);
    assert.throws(load({ toString: array }), /names "toString"/);
    const failing = read("maps.el.o");
    failing.maps.percpu_array!.keySize = 100_000;
    await failing.load({ maps: { array } }).then(
      () => assert.unreachable("it was loaded"),
      (error: unknown) => assert.match(String(error), "percpu_array"),
    );
    assert.not.ok(array.closed, "a load that fails leaves it open");
    array.close();
    assert.throws(load({ array }), hasCode("ERR_CLOSED"));
  }),
);

kernelTest(pins, "a replacement is not pinned, and takes the place of what cannot be made", () =>
  withPins((folder) => {
    const spec = pinning("array");
    spec.maps.array!.extra = Uint8Array.of(1);
    using array = createMap({ ...spec.maps.array!, extra: undefined });
    const loaded = spec.loadSync({ maps: { array }, pinPath: folder });
    assert.equal(pinsIn(folder), []);
    loaded.close();
  }),
);

kernelTest(pins, "whichever map fails, nothing of the others is left", () =>
  withPins((folder) => {
    const names = Object.keys(read("maps.el.o").maps);
    assert.ok(names.length > 10);
    for (const name of names) {
      const spec = pinning(...names.filter((one) => !one.includes(".")));
      // No kernel has this type.
      spec.maps[name]!.type = 9999;
      assert.throws(() => spec.loadSync({ pinPath: folder }), new RegExp(`map ${name}`));
      assert.equal(pinsIn(folder), [], name);
    }
  }),
);

kernelTest(pins, "two collections share the variables of a data section", () =>
  withPins(() => {
    const spec = read("globals.el.o");
    const first = spec.loadSync();
    spec.variables.total.set(55n);
    const second = spec.loadSync({ maps: { ".data": first.maps[".data"] } });
    const before = first.variables.total.get();
    assert.is(second.variables.total.get(), before, "not stored again");
    second.programs.add.run({ data: PACKET });
    assert.is(first.variables.total.get(), before + second.variables.step.get());
    second.close();
    assert.is(first.variables.total.get(), before + 1n * first.variables.step.get());
    first.close();
    assert.throws(() => second.variables.total.get(), hasCode("ERR_CLOSED"));
  }),
);

pins("inspect says which maps are pinned", () => {
  const { stdout } = ebpf(["inspect", fixturePath("map-keys.el.o")]);
  assert.match(stdout, /^\s*pinned_by_name\s.*\sby name\s*$/m);
  assert.is(stdout.match(/by name/g)?.length, 1);
});

kernelTest(pins, "the command run pins where it is told to", () =>
  withPins((folder) => {
    const wrong = ebpf(["run", "--pin-path", "/tmp", fixturePath("map-keys.el.o")]);
    assert.is(wrong.code, 1);
    assert.match(wrong.stderr, /pin map \w+ at \/tmp\/\w+: \/tmp is in no BPF file system/);
    assert.is(ebpf(["run", "--pin-path", "", fixturePath("map-keys.el.o")]).code, 2);
    assert.equal(pinsIn(folder), []);
  }),
);

pins.run();
