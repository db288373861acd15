import { createHash } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { encodeAll, type Instruction, programTag } from "../../src/asm/index.ts";
import { hostLittleEndian, toHex } from "../../src/bytes.ts";
import { CollectionSpec } from "../../src/collection.ts";
import { objectInfo, programLoad } from "../../src/sys/bpf.ts";
import type { FileDescriptor } from "../../src/sys/fd.ts";
import { ProgramType } from "../../src/uapi.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { isOlderThan, kernelTest } from "../helper/kernel.ts";
import { counter } from "../sys/programs.ts";

const test = suite("asm/tag");

/** Where `struct bpf_prog_info` has the tag. */
const TAG = { offset: 8, size: 8 };

function tagOf(program: FileDescriptor): string {
  const info = new Uint8Array(TAG.offset + TAG.size);
  objectInfo(program, info);
  return toHex(info.subarray(TAG.offset));
}

/** What this kernel digests programs with. */
function algorithm(): "sha1" | "sha256" {
  return isOlderThan("6.18") ? "sha1" : "sha256";
}

function digest(name: string, bytes: Uint8Array): string {
  return createHash(name).update(bytes).digest("hex").slice(0, 16);
}

const exit: Instruction = { opcode: 0x95, dst: 0, src: 0, offset: 0, imm: 0 };

function load(src: number, imm64: bigint): Instruction {
  return { opcode: 0x18, dst: 1, src, offset: 0, imm: 0, imm64 };
}

test("a tag is the beginning of the digest, with descriptors of maps and offsets left out", () => {
  const programs = (fd: bigint, offset: bigint): Instruction[] => [
    load(1, fd),
    load(2, (offset << 32n) | fd),
    load(0, 0x1234_5678_9abc_def0n),
    load(3, 77n),
    exit,
  ];
  for (const little of [true, false]) {
    const zeroed = encodeAll(programs(0n, 0n), little);
    for (const name of ["sha1", "sha256"] as const) {
      const bytes = encodeAll(programs(12345n, 64n), little);
      const before = toHex(bytes);
      assert.is(programTag(bytes, little, name), digest(name, zeroed));
      assert.is(toHex(bytes), before, "the program is not changed");
      const constant = encodeAll([...programs(0n, 0n), load(0, 1n)], little);
      assert.is(programTag(constant, little, name), digest(name, constant));
    }
  }
});

test("only a second half that is one is left out", () => {
  const odd = encodeAll([load(1, 5n), exit], true);
  odd[9] = 1;
  const expected = Uint8Array.from(odd);
  expected.fill(0, 4, 8);
  expected.set(odd.subarray(8), 8);
  assert.is(programTag(odd, true, "sha1"), digest("sha1", expected));
  // A load in what would be the second half of another is none of its own; the next one is.
  const nested = encodeAll([load(1, 5n), load(1, 6n), exit], true).subarray(0, 8 + 16);
  nested.set(nested.subarray(0, 8), 8);
  const kept = Uint8Array.from(nested);
  kept.fill(0, 4, 8);
  kept.fill(0, 20, 24);
  assert.is(programTag(nested, true, "sha256"), digest("sha256", kept));
});

/** Objects whose programs are loaded as they are linked, but for descriptors of maps. */
const OBJECTS = ["calls.el.o", "calls.clang22.el.o", "globals.el.o", "maps.el.o", "ringbuf.el.o"];

for (const object of OBJECTS) {
  kernelTest(test, `the kernel gives the programs of ${object} the same tags`, () => {
    const spec = CollectionSpec.fromFile(fixturePath(object));
    using loaded = spec.loadSync();
    const programs = Object.entries(spec.programs);
    assert.ok(programs.length > 0);
    for (const [name, { instructions }] of programs) {
      const expected = tagOf(loaded.programs[name].fd);
      assert.is(programTag(instructions, hostLittleEndian, algorithm()), expected, name);
    }
  });
}

kernelTest(test, "the kernel's tag does not depend on the map that a program was given", () => {
  const { map } = counter();
  const { map: other } = counter();
  try {
    const tags = [map, other].map((which) => {
      const instructions = encodeAll(
        [load(2, BigInt(which.number)), { opcode: 0xb7, dst: 0, src: 0, offset: 0, imm: 1 }, exit],
        hostLittleEndian,
      );
      const type = ProgramType.SOCKET_FILTER;
      const { fd } = programLoad({ type, license: "GPL", instructions });
      assert.ok(fd !== undefined);
      try {
        const tag = tagOf(fd);
        assert.is(programTag(instructions, hostLittleEndian, algorithm()), tag);
        return tag;
      } finally {
        fd.close();
      }
    });
    assert.is(tags[0], tags[1]);
  } finally {
    map.close();
    other.close();
  }
});

test.run();
