import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf, BtfBuilder, Kind, rawText, rawType } from "../../btf/index.ts";
import { ElfFile } from "../../elf/index.ts";
import { readFixture } from "../helper/fixtures.ts";
import { bpftoolText } from "./bpftool-text.ts";
import { info, rawBtf } from "./raw.ts";

const test = suite("btf/raw");

function typesOf(object: string): Btf {
  const file = ElfFile.parse(readFixture(object));
  return Btf.parse(file.data(file.section(".BTF")!));
}

function textOf(btf: Btf): string[] {
  const texts: string[] = [];
  for (let id = btf.firstId; id < btf.typeCount; id++) texts.push(rawText(btf, id));
  return texts.join("\n").split("\n");
}

for (const [object, lines] of Object.entries(bpftoolText)) {
  test(`the types of ${object} are printed as bpftool prints them`, () => {
    assert.equal(textOf(typesOf(object)), lines);
  });
}

test("forms that no fixture has", () => {
  const builder = new BtfBuilder();
  const bits = { bitOffset: 3, bits: 5 };
  const none = { signed: false, char: false, bool: false };
  builder.add({ kind: Kind.INT, name: "odd", size: 1, ...none, ...bits, signed: true, char: true });
  builder.add({
    kind: Kind.INT,
    name: "flag",
    size: 1,
    ...none,
    bool: true,
    bitOffset: 0,
    bits: 8,
  });
  builder.add({ kind: Kind.FWD, name: "later", union: true });
  builder.add({ kind: Kind.UNION, size: 4, members: [] });
  const value = -5;
  builder.add({
    kind: Kind.ENUM,
    name: "e",
    size: 4,
    signed: true,
    values: [{ name: "V", value }],
  });
  builder.add({ kind: Kind.FUNC, name: "f", type: 0, linkage: 9 });
  builder.add({ kind: Kind.VAR, name: "v", type: 1, linkage: 2 });
  builder.add({ kind: Kind.TYPE_TAG, name: "user", type: 1 });
  builder.add({
    kind: Kind.DATASEC,
    name: ".ksyms",
    size: 0,
    variables: [
      { type: 0, offset: 0, size: 0 },
      { type: 4, offset: 8, size: 4 },
    ],
  });
  assert.equal(textOf(builder.btf()), [
    "[1] INT 'odd' size=1 bits_offset=3 nr_bits=5 encoding=UNKN",
    "[2] INT 'flag' size=1 bits_offset=0 nr_bits=8 encoding=BOOL",
    "[3] FWD 'later' fwd_kind=union",
    "[4] UNION '(anon)' size=4 vlen=0",
    "[5] ENUM 'e' encoding=SIGNED size=4 vlen=1",
    "\t'V' val=-5",
    "[6] FUNC 'f' type_id=0 linkage=(unknown)",
    "[7] VAR 'v' type_id=1, linkage=extern",
    "[8] TYPE_TAG 'user' type_id=1",
    "[9] DATASEC '.ksyms' size=0 vlen=2",
    "\ttype_id=0 offset=0 size=0 (UNKNOWN '(anon)')",
    "\ttype_id=4 offset=8 size=4 (UNION '(anon)')",
  ]);
});

test("JSON has the fields of bpftool's, and 64-bit values as bigint", () => {
  const btf = typesOf("enum64.clang22.el.o");
  assert.equal(rawType(btf, btf.find("wide_signed", Kind.ENUM64)!), {
    id: 10,
    kind: "ENUM64",
    name: "wide_signed",
    encoding: "SIGNED",
    size: 8,
    vlen: 2,
    values: [
      { name: "WIDE_NEGATIVE", val: -9223372032559808512n },
      { name: "WIDE_ZERO", val: 0n },
    ],
  });
  const types = typesOf("types.el.o");
  const bitfields = [...types].find(
    (type) => type.kind === Kind.STRUCT && type.members.some(({ bitSize }) => bitSize > 0),
  );
  const { members } = rawType(types, bitfields!.id) as unknown as {
    members: { bitfield_size?: number }[];
  };
  assert.ok(members.some((member) => (member.bitfield_size ?? 0) > 0));
});

test("names cannot make lines of their own; kinds of later kernels are named unknown", () => {
  const strings = "\0a\n[7] INT 'b\x1b\0";
  assert.is(
    rawText(Btf.parse(rawBtf({ types: [1, info(Kind.FLOAT), 8], strings })), 1),
    "[1] FLOAT 'a\ufffd[7] INT 'b\ufffd' size=8",
  );
});

test.run();
