import { readdirSync } from "node:fs";
import { dirname } from "node:path";
import { gzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf, BtfBuilder, Kind } from "../../btf/index.ts";
import { Machine } from "../../elf/index.ts";
import { toHex, viewOf } from "../../src/bytes.ts";
import { buildElf } from "../helper/elf-builder.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { askAll, projectObjects } from "./questions.ts";
import { reduceBtf } from "./reduce.ts";
import { compareReduced, origins, reducedBtf } from "./reduced.ts";
import { btfOfImage } from "./vmlinux.ts";

const test = suite("differential: kernels' types");

const INT = { kind: Kind.INT, size: 4, signed: true, char: false, bool: false } as const;

function member(name: string, type: number, bitOffset: number): object {
  return { name, type, bitOffset, bitSize: 0 };
}

/** A structure of three members, and types that nobody asks for. */
function kernel(): BtfBuilder {
  const types = new BtfBuilder();
  const int = types.add({ ...INT, name: "int", bitOffset: 0, bits: 32 });
  types.add({ kind: Kind.TYPEDEF, name: "unused", type: int });
  const inner = { kind: Kind.STRUCT, name: "inner", size: 4, members: [member("x", int, 0)] };
  const innerId = types.add(inner as never);
  const far = types.add({ kind: Kind.STRUCT, name: "far", size: 0, members: [] });
  const pointer = types.add({ kind: Kind.PTR, type: far });
  const members = [member("a", int, 0), member("in", innerId, 32), member("p", pointer, 64)];
  types.add({ kind: Kind.STRUCT, name: "outer", size: 16, members } as never);
  return types;
}

test("what was read is kept whole, what stands in it by name and size, the rest not at all", () => {
  const whole = kernel().bytes();
  const reduced = Btf.parse(reduceBtf(whole, (btf) => btf.type(btf.find("outer")!)));
  for (const name of ["unused", "far"]) assert.is(reduced.find(name), undefined, name);
  const outer = reduced.type(reduced.find("outer", Kind.STRUCT)!);
  assert.ok(outer.kind === Kind.STRUCT);
  assert.equal(
    outer.members.map(({ name, bitOffset }) => [name, bitOffset]),
    [
      ["a", 0],
      ["in", 32],
      ["p", 64],
    ],
  );
  const inner = reduced.type(reduced.find("inner")!);
  assert.ok(inner.kind === Kind.STRUCT && inner.size === 4 && inner.members.length === 0);
  const pointer = reduced.type(outer.members[2]!.type);
  assert.ok(pointer.kind === Kind.PTR && pointer.type === 0, "nobody followed it");
});

test("the fixtures answer all that the objects ask as they did when they were reduced", () => {
  const names = readdirSync(dirname(fixturePath("btf/kernels.json")));
  const known = Object.keys(origins());
  assert.equal(
    names.filter((name) => name.endsWith(".btf")).sort(),
    known.map((name) => `${name}.btf`).sort(),
  );
  const objects = projectObjects(["el", "eb"]);
  for (const name of known) {
    const once = reducedBtf(name);
    // Reducing what is reduced must leave all answers as they are.
    const twice = Btf.parse(reduceBtf(once.bytes, (btf) => askAll(btf, objects)));
    const { rows, differences } = compareReduced(objects, once, twice);
    assert.equal(differences, [], name);
    assert.ok(rows > 1500, `${rows} answers`);
  }
});

test("a comparison tells a kernel from another", () => {
  const objects = projectObjects(["el"]);
  const { differences } = compareReduced(objects, reducedBtf("6.1"), reducedBtf("6.12"));
  assert.ok(differences.length > 50);
});

/** A bzImage of one sector of set-up code. */
function bzImage(payload: Uint8Array): Uint8Array {
  const image = new Uint8Array(1024 + 16 + payload.length);
  const view = viewOf(image);
  view.setUint8(0x1f1, 1);
  image.set(new TextEncoder().encode("HdrS"), 0x202);
  view.setUint32(0x248, 16, true);
  view.setUint32(0x24c, payload.length, true);
  image.set(payload, 1024 + 16);
  return image;
}

test("BTF is found in kernel images of both processors", () => {
  const btf = kernel().bytes({ littleEndian: true });
  const elf = buildElf({
    machine: Machine.X86_64,
    sections: [
      { name: ".text", data: new Uint8Array(8) },
      { name: ".BTF", data: btf },
    ],
  });
  assert.is(toHex(btfOfImage(bzImage(gzipSync(elf)))), toHex(btf));
  const small = new BtfBuilder().bytes({ littleEndian: true });
  const arm64 = new Uint8Array([...new Uint8Array(64), ...small, 0, ...btf, 0, 0]);
  arm64.set(new TextEncoder().encode("ARM\x64"), 56);
  assert.is(toHex(btfOfImage(arm64)), toHex(btf));
  assert.throws(() => btfOfImage(bzImage(new Uint8Array(8))), /compressed in an unknown way/);
  assert.throws(() => btfOfImage(elf), /neither x86's bzImage nor arm64's Image/);
  const bare = buildElf({ sections: [{ name: ".text", data: new Uint8Array(8) }] });
  assert.throws(() => btfOfImage(bzImage(gzipSync(bare))), /no section \.BTF/);
});

test.run();
