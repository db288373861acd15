import { suite } from "uvu";
import * as assert from "uvu/assert";
import { recordDecoder } from "../../btf/codec-backend.ts";
import { PerfRing } from "../../maps/perf-ring.ts";
import { PerfRings } from "../../maps/perf-rings.ts";
import { BpfError } from "../../src/error.ts";

const test = suite("maps/perf ring");
const PAGE = 4096;
const SIZE = 256;

/** Memory as the kernel fills it, on a little-endian machine. */
class Producer {
  readonly memory: ArrayBuffer = new ArrayBuffer(PAGE + SIZE);
  readonly #head: BigInt64Array = new BigInt64Array(this.memory, 1024, 1);
  readonly #tail: BigInt64Array = new BigInt64Array(this.memory, 1032, 1);
  readonly #bytes: Uint8Array = new Uint8Array(this.memory, PAGE);

  constructor(start = 0n) {
    this.#head[0] = start;
    this.#tail[0] = start;
  }

  get head(): bigint {
    return this.#head[0]!;
  }

  get tail(): bigint {
    return this.#tail[0]!;
  }

  record(type: number, body: Uint8Array, size: number = 8 + body.length): void {
    const bytes = new Uint8Array(8 + body.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, type, true);
    view.setUint16(6, size, true);
    bytes.set(body, 8);
    for (const [index, byte] of bytes.entries()) {
      this.#bytes[Number(BigInt(index) + this.#head[0]!) & (SIZE - 1)] = byte;
    }
    this.#head[0]! += BigInt(bytes.length);
  }

  /** A sample of so many bytes with that value, filled up to a multiple of 8. */
  sample(length: number, value: number): void {
    const padded = Math.ceil((4 + length) / 8) * 8 - 4;
    const body = new Uint8Array(4 + padded);
    new DataView(body.buffer).setUint32(0, padded, true);
    body.fill(value, 4, 4 + length);
    this.record(9, body);
  }

  lost(count: bigint): void {
    this.record(2, new Uint8Array(new BigUint64Array([77n, count]).buffer));
  }
}

/** All records of the moment: bytes, or the number of those lost. */
function drain(rings: PerfRings): (number[] | number)[] {
  const all: (number[] | number)[] = [];
  rings.snapshot();
  rings.walk((view, offset, length) => {
    const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, length);
    all.push(length === 0 ? rings.lost : [...bytes]);
  }, Number.POSITIVE_INFINITY);
  return all;
}

test("records, losses in their place, and kinds of records that nobody asked for", () => {
  const producer = new Producer();
  const ring = new PerfRing(producer.memory, PAGE, 3);
  const rings = new PerfRings([ring]);
  producer.sample(4, 1);
  producer.lost(5n);
  producer.record(14, new Uint8Array(8));
  producer.sample(12, 2);
  producer.record(13, new Uint8Array(new BigUint64Array([2n]).buffer));
  assert.equal(drain(rings), [[1, 1, 1, 1], 5, new Array(12).fill(2), 2]);
  assert.equal([ring.consumed, ring.consumedBytes, ring.allLost], [2, 16, 7]);
  assert.is(rings.backlog, 0);
  assert.equal(drain(rings), []);
});

test("records that go on at the beginning are whole, whatever the place", () => {
  for (const start of [0n, 8n, 0xffff_ff00n, 0x1_ffff_fff8n]) {
    const producer = new Producer(start);
    const rings = new PerfRings([new PerfRing(producer.memory, PAGE, 0)]);
    for (let round = 0; round < 64; round++) {
      const length = 4 + ((round * 8) % 104);
      producer.sample(length, round);
      producer.lost(BigInt(round + 1));
      assert.equal(drain(rings), [new Array(length).fill(round), round + 1], `${start} ${round}`);
    }
    assert.ok(producer.tail > start + 4096n);
    assert.is(producer.tail >> 32n, (start + 64n * 80n) >> 32n, "the high half is carried");
  }
});

test("a loop decodes samples, and ends before a loss and a record that wraps", () => {
  const producer = new Producer();
  const ring = new PerfRing(producer.memory, PAGE, 0);
  const rings = new PerfRings([ring]);
  const decoder = recordDecoder((view, offset) => {
    const value = view.getUint8(offset);
    if (value === 9) throw new Error("no");
    return value;
  }, 4);
  const decode = (limit = 16): number[] => {
    const values: number[] = [];
    assert.is(rings.decode(decoder, values, 0, limit), values.length);
    return values;
  };
  for (const value of [1, 2, 9]) producer.sample(4, value);
  producer.lost(5n);
  producer.sample(4, 3);
  rings.snapshot();
  assert.equal(decode(1), [1]);
  assert.equal(decode(), [2], "it went back to one that cannot be decoded");
  assert.equal([ring.consumed, ring.consumedBytes], [2, 8]);
  assert.equal(decode(), []);
  rings.walk(() => {}, 1);
  assert.equal(decode(), [], "a loss");
  assert.equal(drain(rings), [5, [3, 3, 3, 3]]);
  for (let value = 0; value < 5; value++) producer.sample(4, value);
  assert.is(drain(rings).length, 5);
  producer.sample(60, 1);
  producer.sample(60, 2);
  producer.sample(4, 3);
  rings.snapshot();
  assert.equal(decode(), [1]);
  assert.equal(decode(), [], "a record that wraps");
  assert.is(
    rings.walk((view, offset, length) => {
      assert.equal([view.getUint8(offset + length - 1), length], [2, 60]);
    }, 1),
    1,
  );
  assert.equal(decode(), [3]);
  assert.is(rings.available, 0);
  rings.release();
  assert.is(producer.tail, producer.head);
});

test("what the kernel counted and no record tells is told behind the last record, once", () => {
  const producer = new Producer();
  let counted: number | undefined = 0;
  let asked = 0;
  const ring = new PerfRing(producer.memory, PAGE, 0, () => {
    asked++;
    return counted;
  });
  const rings = new PerfRings([ring]);
  const fill = () => {
    for (let value = 0; value < 9; value++) producer.sample(4, value);
  };
  producer.sample(4, 1);
  assert.equal([drain(rings).length, asked], [1, 0], "there was room: nobody is asked");
  fill();
  counted = 5;
  assert.is(drain(rings).at(-1), 5);
  assert.equal([drain(rings), ring.allLost], [[], 5]);
  asked = 0;
  producer.lost(5n);
  producer.sample(4, 2);
  assert.equal(drain(rings), [[2, 2, 2, 2]], "the record tells what was told");
  producer.lost(3n);
  producer.sample(4, 3);
  assert.equal(drain(rings), [3, [3, 3, 3, 3]]);
  assert.is(asked, 0);
  fill();
  counted = 12;
  assert.is(ring.allLost, 12, "statistics do not wait");
  // A record that comes while the last ones are taken: what was lost is told before it by the kernel.
  let isFirst = true;
  const seen: number[] = [];
  rings.snapshot();
  rings.walk((_, __, length) => {
    if (!isFirst) return void seen.push(length === 0 ? rings.lost : length);
    isFirst = false;
    rings.release();
    producer.lost(4n);
    producer.sample(4, 4);
  }, 99);
  assert.equal(seen, new Array(8).fill(4));
  assert.equal(drain(rings), [4, [4, 4, 4, 4]]);
  fill();
  counted = undefined;
  assert.ok(
    drain(rings).every((each) => typeof each !== "number"),
    "a kernel that does not count",
  );
});

test("a walk that ends with the last record, and a turn of arrays, have the loss to take", () => {
  const producer = new Producer();
  const rings = new PerfRings([new PerfRing(producer.memory, PAGE, 0, () => 7)]);
  for (let value = 0; value < 15; value++) producer.sample(4, value);
  rings.snapshot();
  assert.is(
    rings.walk(() => {}, 15),
    15,
  );
  assert.ok(rings.available > 0);
  assert.equal(drain(rings), [7]);
  assert.is(rings.available, 0);
});

test("a loop goes on at the beginning, where no record wraps", () => {
  for (const start of [0n, 2n ** 31n - 256n, 2n ** 32n - 256n]) {
    const producer = new Producer(start);
    const rings = new PerfRings([new PerfRing(producer.memory, PAGE, 0)]);
    const decoder = recordDecoder((view, offset) => view.getUint8(offset), 4);
    for (let round = 0; round < 200; round++) {
      for (let value = 1; value < 4; value++) producer.sample(4, value);
      rings.snapshot();
      const values: number[] = [];
      for (let end = 0; end < 3; ) end = rings.decode(decoder, values, end, 9);
      assert.equal(values, [1, 2, 3], `${start} ${round}`);
      rings.release();
      assert.is(producer.tail, producer.head);
    }
  }
});

test("what a reader took last, as a copy, is not what the next one is shown", () => {
  const [one, two] = [new Producer(), new Producer(256n - 16n)];
  const rings = new PerfRings([one, two].map(({ memory }, cpu) => new PerfRing(memory, PAGE, cpu)));
  two.sample(20, 1);
  rings.snapshot();
  assert.ok(rings.advance());
  assert.is(rings.bytes[rings.offset], 1, "a record that wraps");
  rings.release();
  for (let round = 0; round < 2; round++) {
    one.record(14, new Uint8Array(8));
    two.sample(20, 2);
  }
  rings.snapshot();
  const shown: number[] = [];
  rings.walk((view, offset) => {
    assert.is(rings.view, view);
    shown.push(rings.bytes[offset]!);
  }, 9);
  assert.equal(shown, [2, 2]);
});

test("each buffer has its turn, and a limit leaves the rest", () => {
  const [one, two] = [new Producer(), new Producer()];
  const rings = new PerfRings([one, two].map(({ memory }, cpu) => new PerfRing(memory, PAGE, cpu)));
  for (let value = 0; value < 4; value++) {
    one.sample(4, value);
    two.sample(4, 10 + value);
  }
  const seen: number[] = [];
  rings.snapshot();
  const take = () => rings.walk((view, offset) => seen.push(view.getUint8(offset)), 3);
  assert.is(rings.available, 64);
  assert.equal([take(), take(), take(), take()], [3, 3, 2, 0]);
  assert.equal(seen, [0, 1, 2, 3, 10, 11, 12, 13]);
  assert.equal([one.tail, two.tail], [64n, 64n]);
});

test("a callback that throws has consumed its record; halting ends the walk", () => {
  const producer = new Producer();
  const rings = new PerfRings([new PerfRing(producer.memory, PAGE, 0)]);
  for (const value of [1, 2, 3]) producer.sample(4, value);
  rings.snapshot();
  assert.throws(() => {
    rings.walk(() => {
      throw new Error("stop");
    }, 9);
  }, /stop/);
  assert.is(producer.tail, 16n);
  assert.is(
    rings.walk(() => rings.halt(), 9),
    1,
  );
  assert.equal(drain(rings), [[3, 3, 3, 3]]);
});

test("sizes that cannot be are typed errors, not endless walks", () => {
  const spoil: ((producer: Producer) => void)[] = [
    (producer) => producer.record(9, new Uint8Array(8), 0),
    (producer) => producer.record(9, new Uint8Array(8), 12),
    (producer) => producer.record(9, new Uint8Array(8), 64),
    (producer) => producer.record(9, new Uint8Array([255, 255, 0, 0, 0, 0, 0, 0])),
    (producer) => producer.record(9, new Uint8Array([255, 255, 255, 255, 0, 0, 0, 0])),
  ];
  for (const fill of spoil) {
    const producer = new Producer();
    const rings = new PerfRings([new PerfRing(producer.memory, PAGE, 6)]);
    fill(producer);
    rings.snapshot();
    const isCorrupt = (error: unknown) =>
      error instanceof BpfError &&
      error.code === "ERR_RING" &&
      /^perf buffer of CPU 6: the record at byte 0 claims \d+ bytes/.test(error.message);
    assert.is(
      rings.decode(
        recordDecoder(() => 1, 0),
        [],
        0,
        9,
      ),
      0,
      "only a walk refuses it",
    );
    assert.throws(() => rings.walk(() => {}, 9), isCorrupt);
    assert.throws(() => rings.advance(), isCorrupt, "it is still there");
    assert.is(rings.stalled, false);
    assert.is(producer.tail, 0n);
  }
});

test("a record that cannot be, behind one that was gone over to the end, frees nothing of its own", () => {
  const start = BigInt(SIZE - 16);
  const producer = new Producer(start);
  const rings = new PerfRings([new PerfRing(producer.memory, PAGE, 0)]);
  producer.record(14, new Uint8Array(8));
  producer.record(9, new Uint8Array(8), 0);
  rings.snapshot();
  for (let again = 0; again < 2; again++) {
    assert.throws(() => rings.walk(() => {}, 9), /the record at byte 0 claims 0 bytes/);
    assert.is(producer.tail, start + 16n);
    assert.is(rings.available, 16);
    rings.snapshot();
  }
});

test.run();
