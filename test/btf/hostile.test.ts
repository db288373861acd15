import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  alignOf,
  Btf,
  BtfBuilder,
  forKernel,
  Kind,
  parseBtfExt,
  resolve,
  sizeOf,
  typeName,
} from "../../btf/index.ts";
import { BtfError } from "../../src/error.ts";
import { typeList } from "./arbitrary.ts";
import { info, rawBtf, rawExt } from "./raw.ts";

const test = suite("btf/hostile");

/** What `body` gives; undefined for the one kind of error that malformed types may raise. */
function attempt<T>(body: () => T): T | undefined {
  try {
    return body();
  } catch (error) {
    if (error instanceof BtfError) return undefined;
    throw error;
  }
}

/** Asks a blob everything that can be asked. */
function interrogate(bytes: Uint8Array, base?: Btf): void {
  const btf = attempt(() => Btf.parse(bytes, { base }));
  if (btf === undefined) return;
  for (let id = 0; id < btf.typeCount; id++) {
    attempt(() => btf.type(id));
    attempt(() => resolve(btf, id));
    attempt(() => sizeOf(btf, id));
    attempt(() => alignOf(btf, id));
    attempt(() => typeName(btf, id));
    const name = attempt(() => btf.name(id));
    if (name === undefined) continue;
    btf.find(name);
    btf.findEssential(name);
  }
  if (base === undefined) attempt(() => forKernel(btf));
}

/** Changes to a blob: words and bytes overwritten at places, and a new length. */
const changes = fc.record({
  words: fc.array(
    fc.tuple(
      fc.nat(),
      fc.oneof(
        fc.constantFrom(0, 1, 0xffff_ffff, 0x8000_0000, 0xffffff, 24, 25),
        fc.integer({ min: 0, max: 40 }),
        fc.integer({ min: 0, max: 0xffff_ffff }),
        fc.integer({ min: 1, max: 19 }).map((kind) => info(kind, 1)),
      ),
    ),
    { maxLength: 6 },
  ),
  bytes: fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }),
  cut: fc.option(fc.nat(), { freq: 5 }),
});
type Changes = typeof changes extends fc.Arbitrary<infer T> ? T : never;

function mutate(blob: Uint8Array, { words, bytes, cut }: Changes): Uint8Array {
  const copy = Uint8Array.from(blob);
  const view = new DataView(copy.buffer);
  for (const [at, value] of words) {
    view.setUint32((at % Math.floor(copy.length / 4)) * 4, value, true);
  }
  for (const [at, value] of bytes) copy[at % copy.length] = value;
  return cut === null ? copy : copy.subarray(0, cut % copy.length);
}

test("changed blobs give types or BtfError", () => {
  fc.assert(
    fc.property(typeList(), changes, fc.boolean(), (types, change, littleEndian) => {
      const builder = new BtfBuilder();
      for (const type of types) builder.add(type);
      interrogate(mutate(builder.bytes({ littleEndian }), change));
    }),
    { numRuns: 2000 },
  );
});

test("changed split blobs give types or BtfError", () => {
  const below = new BtfBuilder();
  below.add({ kind: Kind.TYPEDEF, name: "task___x", type: 0 });
  const base = below.btf();
  fc.assert(
    fc.property(typeList(), changes, (types, change) => {
      const builder = new BtfBuilder({ base });
      for (const type of types) builder.add(type);
      interrogate(mutate(builder.bytes({ littleEndian: true }), change), base);
    }),
    { numRuns: 500 },
  );
});

test("changed kernel types give types or BtfError", () => {
  const blob = readFileSync(fileURLToPath(import.meta.resolve("#fixtures/btf/6.1.btf")));
  fc.assert(
    fc.property(changes, (change) => interrogate(mutate(blob, change))),
    { numRuns: 60 },
  );
});

test("random bytes behind a good header give types or BtfError", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 0xffff_ffff }), { maxLength: 60 }),
      fc.uint8Array({ maxLength: 40 }),
      (types, text) => interrogate(rawBtf({ types, strings: Uint8Array.of(0, ...text, 0) })),
    ),
    { numRuns: 500 },
  );
});

test("changed .BTF.ext gives records or BtfError", () => {
  const btf = Btf.parse(rawBtf({ types: [0, info(2), 0], strings: "\0xdp\x000:1\0" }));
  const blob = rawExt({
    functions: [8, 1, 2, 0, 1, 16, 1],
    lines: [16, 1, 1, 24, 1, 1, 77],
    relocations: [16, 1, 1, 40, 1, 5, 12],
  });
  fc.assert(
    fc.property(changes, (change) => {
      const ext = attempt(() => parseBtfExt(mutate(blob, change), btf));
      for (const { records } of ext?.lines ?? [])
        for (const { file, text } of records) assert.type(file + text, "string");
    }),
    { numRuns: 1000 },
  );
});

test("many names that are the ends of one long text take neither much time nor memory", () => {
  // A blob of 2.4 MB: 100,000 members, each with a name of up to a megabyte.
  const count = 100_000;
  const members = Array.from({ length: count }, (_, i) => [1 + i * 10, 0, 0]).flat();
  const strings = `\0${"n".repeat(count * 10)}\0`;
  const one = Btf.parse(rawBtf({ types: [0, info(4, count), 0, ...members], strings }));
  assert.is(
    attempt(() => one.type(1)),
    undefined,
  );
  const types = Array.from({ length: count }, (_, i) => [1 + i * 10, info(7), 0]).flat();
  const many = Btf.parse(rawBtf({ types, strings }));
  assert.equal(many.findAll("n".repeat(995)), []);
  assert.equal(many.findAll("n".repeat(1000)), [99_901]);
  assert.equal(many.findEssential("nnnn"), []);
  const names = Array.from({ length: 50 }, (_, i) => attempt(() => many.name(1 + i)));
  assert.equal(new Set(names), new Set([undefined]));
});

test("prototypes with very many parameters that many functions share are prepared once", () => {
  const count = 20_000;
  const functions = Array.from({ length: count }, () => [1, info(12), count + 1]).flat();
  const parameters = Array.from({ length: count }, () => [0, 1]).flat();
  const types = [...functions, 0, info(13, count), 0, ...parameters];
  const btf = Btf.parse(forKernel(Btf.parse(rawBtf({ types, strings: "\0f\0" }))));
  const prototype = btf.type(count + 1);
  assert.ok(
    prototype.kind === Kind.FUNC_PROTO && prototype.parameters.every(({ name }) => name !== ""),
  );
});

test.run();
