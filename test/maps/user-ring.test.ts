/** The producer's side of a user ring buffer, against a consumer that does what the kernel does. */

import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { UserRing } from "../../maps/user-ring.ts";
import { hostLittleEndian } from "../../src/bytes.ts";
import { BpfError } from "../../src/error.ts";

const test = suite("maps/user ring");
const SIZE = 4096;
const BUSY = 0x8000_0000;
const DISCARDED = 0x4000_0000;

/** `__bpf_user_ringbuf_peek` and `__bpf_user_ringbuf_sample_release`, on memory of this process. */
class Consumer {
  readonly memory: { consumer: ArrayBuffer; producer: ArrayBuffer; data: ArrayBuffer } = {
    consumer: new ArrayBuffer(8),
    producer: new ArrayBuffer(8),
    data: new ArrayBuffer(SIZE * 2),
  };
  readonly positions = {
    consumer: new BigUint64Array(this.memory.consumer),
    producer: new BigUint64Array(this.memory.producer),
  };

  constructor(start = 0n) {
    this.positions.consumer[0] = start;
    this.positions.producer[0] = start;
  }

  /** The next record, undefined when there is none, or when it is not finished. */
  take(): Uint8Array | undefined {
    this.#mirror();
    for (;;) {
      const [at = 0n] = this.positions.consumer;
      const [end = 0n] = this.positions.producer;
      assert.is(end % 8n, 0n, "the kernel refuses other positions");
      if (at >= end) return undefined;
      const view = new DataView(this.memory.data);
      const offset = Number(at % BigInt(SIZE));
      const header = view.getUint32(offset, hostLittleEndian);
      assert.is(view.getUint32(offset + 4, hostLittleEndian), 0);
      const length = header & ~(BUSY | DISCARDED);
      const extent = Math.ceil((length + 8) / 8) * 8;
      assert.ok(BigInt(extent) <= end - at, "a record ends before the position");
      if ((header & DISCARDED) === 0) {
        if ((header & BUSY) !== 0) return undefined;
        const record = new Uint8Array(this.memory.data).slice(offset + 8, offset + 8 + length);
        this.positions.consumer[0] = at + BigInt(extent);
        return record;
      }
      this.positions.consumer[0] = at + BigInt(extent);
    }
  }

  /** In the kernel both halves are the same pages. */
  #mirror(): void {
    const bytes = new Uint8Array(this.memory.data);
    const [first, second] = [bytes.subarray(0, SIZE), bytes.subarray(SIZE)];
    const written = this.#last;
    for (let at = 0; at < SIZE; at++) {
      if (second[at] !== written[at]) first[at] = second[at]!;
    }
    second.set(first);
    this.#last.set(first);
  }
  readonly #last: Uint8Array = new Uint8Array(SIZE);
}

function ringOf(start?: bigint): { ring: UserRing; kernel: Consumer } {
  const kernel = new Consumer(start);
  return { ring: new UserRing(kernel.memory, SIZE), kernel };
}

test("a ring is filled to its last byte and not beyond", () => {
  const { ring, kernel } = ringOf();
  assert.is(ring.recordLimit, SIZE - 8);
  assert.ok(ring.write(new Uint8Array(SIZE - 8).fill(7)));
  assert.is(ring.backlog, SIZE);
  assert.not.ok(ring.write(new Uint8Array(0)), "not even a header");
  assert.equal(kernel.take(), new Uint8Array(SIZE - 8).fill(7));
  assert.ok(ring.write(new Uint8Array(0)));
  assert.equal(kernel.take(), new Uint8Array(0));
  assert.is(kernel.take(), undefined);
});

test("the longest record is what a program can be shown, however large the ring", () => {
  const data = new ArrayBuffer(0x400_0000);
  const memory = { consumer: new ArrayBuffer(8), producer: new ArrayBuffer(8), data };
  assert.is(new UserRing(memory, 0x200_0000).recordLimit, 0xff_ffff);
});

test("positions go on beyond 32 bits", () => {
  const { ring, kernel } = ringOf(2n ** 32n - 64n);
  for (let number = 0; number < 16; number++) {
    assert.ok(ring.write(Uint8Array.of(number)));
    assert.equal(kernel.take(), Uint8Array.of(number));
  }
  assert.is(kernel.positions.producer[0], 2n ** 32n - 64n + 16n * 16n);
});

test("a reserved record holds up those behind it, and is zeros at first", () => {
  const { ring, kernel } = ringOf();
  ring.bytes.fill(0xee, 0, SIZE);
  const first = ring.reserve(12)!;
  const second = ring.reserve(3)!;
  assert.ok(ring.write(Uint8Array.of(9)));
  assert.equal(ring.bytes.slice(first, first + 12), new Uint8Array(12));
  assert.is(kernel.take(), undefined);
  ring.finish(second, 3, true);
  assert.is(kernel.take(), undefined);
  ring.finish(first, 12, false);
  assert.equal(kernel.take(), new Uint8Array(3));
  assert.equal(kernel.take(), Uint8Array.of(9));
  assert.equal([ring.submitted, ring.discarded, ring.submittedBytes], [2, 1, 4]);
});

test("positions that somebody else has spoilt are an error, and nothing is written", () => {
  for (const spoilt of [4n, BigInt(SIZE) + 8n, 2n ** 31n, 2n ** 32n - 8n]) {
    const { ring, kernel } = ringOf();
    kernel.positions.producer[0] = spoilt;
    for (const use of [() => ring.write(new Uint8Array(1)), () => ring.reserve(1)]) {
      assert.throws(
        use,
        (error: unknown) => error instanceof BpfError && error.code === "ERR_RING",
        String(spoilt),
      );
    }
    assert.is(kernel.positions.producer[0], spoilt);
  }
});

test("property: whatever is written, reserved, finished and taken comes once, in order", () => {
  const step = fc.oneof(
    fc.record({ write: fc.nat({ max: 700 }) }),
    fc.record({ reserve: fc.nat({ max: 700 }) }),
    fc.record({ finish: fc.nat(), keep: fc.boolean() }),
    fc.record({ take: fc.constant(true) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), fc.nat({ max: 1000 }), (steps, start) => {
      const { ring, kernel } = ringOf(2n ** 32n - 8n * BigInt(start));
      const model: { length: number; number: number; state: "open" | "kept" | "given up" }[] = [];
      const open: { offset: number; record: (typeof model)[number] }[] = [];
      let number = 0;
      const used = () => model.reduce((sum, { length }) => sum + Math.ceil(length / 8) * 8 + 8, 0);
      const fits = (length: number) => used() + Math.ceil(length / 8) * 8 + 8 <= SIZE;
      const bytesOf = (record: { length: number; number: number }) =>
        new Uint8Array(record.length).fill(record.number);
      for (const each of steps) {
        if ("write" in each) {
          const record = { length: each.write, number: ++number, state: "kept" as const };
          const room = fits(each.write);
          assert.is(ring.write(bytesOf(record)), room);
          if (room) model.push(record);
        } else if ("reserve" in each) {
          const record = { length: each.reserve, number: ++number, state: "open" as const };
          const room = fits(each.reserve);
          const offset = ring.reserve(each.reserve);
          assert.is(offset !== undefined, room);
          if (offset !== undefined) {
            ring.bytes.fill(record.number, offset, offset + record.length);
            model.push(record);
            open.push({ offset, record });
          }
        } else if ("finish" in each) {
          const [found] = open.splice(each.finish % Math.max(open.length, 1), 1);
          if (found === undefined) continue;
          found.record.state = each.keep ? "kept" : "given up";
          ring.finish(found.offset, found.record.length, each.keep);
        } else {
          while (model[0]?.state === "given up") model.shift();
          const expected = model[0]?.state === "kept" ? model.shift() : undefined;
          assert.equal(kernel.take(), expected && bytesOf(expected));
        }
        // What was given up takes room until the kernel steps over it.
        assert.is(ring.backlog, used());
      }
    }),
    { numRuns: 60 },
  );
});

test.run();
