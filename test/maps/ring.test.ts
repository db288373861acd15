import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type RecordDecoder, recordDecoder } from "../../btf/codec-backend.ts";
import { Ring } from "../../maps/ring.ts";
import { BpfError } from "../../src/error.ts";
import { BUSY, DISCARDED, PAGE, Producer, text } from "./producer.ts";

const test = suite("maps/ring");

function drain(ring: Ring, limit = Number.POSITIVE_INFINITY): string[] {
  const texts: string[] = [];
  ring.snapshot();
  ring.walk((view, offset, length) => {
    texts.push(String.fromCharCode(...new Uint8Array(view.buffer, offset, length)));
  }, limit);
  return texts;
}

const decodeBytes = recordDecoder((view, offset, end): Uint8Array => {
  return new Uint8Array(view.buffer, offset, end - offset).slice();
}, 0);
const decodeText: RecordDecoder<string> = recordDecoder((view, offset, end) => {
  if (end - offset >= 60) throw new Error("too long");
  return String.fromCharCode(...new Uint8Array(view.buffer, offset, end - offset));
}, 0);

for (const ordered of [true, false]) {
  const kind = ordered ? "plain loads" : "acquire loads";

  test(`records of all lengths come in order (${kind})`, () => {
    const producer = new Producer();
    const ring = new Ring(producer.memory, producer.size, ordered);
    const texts = ["", "a", "1234567", "12345678", "123456789", "x".repeat(100)];
    for (const each of texts) producer.put(text(each));
    assert.ok(ring.backlog > 0);
    assert.equal(drain(ring), texts);
    assert.is(ring.backlog, 0);
    assert.is(producer.consumed, producer.produced);
    assert.equal([ring.consumed, ring.discarded, ring.consumedBytes], [6, 0, 125]);
    assert.equal(drain(ring), []);
  });

  test(`discarded records are counted and skipped, busy ones stop the walk (${kind})`, () => {
    const producer = new Producer();
    const ring = new Ring(producer.memory, producer.size, ordered);
    producer.put(text("one"));
    producer.put(text("gone"), DISCARDED);
    const position = producer.produced;
    producer.put(text("late"), BUSY);
    producer.put(text("last"));
    assert.equal(drain(ring), ["one"]);
    assert.ok(ring.stalled);
    assert.is(ring.discarded, 1);
    assert.is(producer.consumed, position);
    assert.equal(drain(ring), []);
    assert.ok(ring.stalled);
    producer.finish(position, 4);
    assert.equal(drain(ring), ["late", "last"]);
    assert.not.ok(ring.stalled);
  });
}

test("one by one: each record stands at offset and length, in the ring's own memory", () => {
  const producer = new Producer();
  const ring = new Ring(producer.memory, producer.size);
  for (const each of ["a", "bc"]) producer.put(text(each));
  producer.put(text("gone"), DISCARDED);
  assert.not.ok(ring.advance(), "nothing before a snapshot");
  ring.snapshot();
  const seen: string[] = [];
  while (ring.advance()) {
    seen.push(String.fromCharCode(...ring.bytes.subarray(ring.offset, ring.offset + ring.length)));
  }
  assert.equal(seen, ["a", "bc"]);
  assert.is(producer.consumed, 0n, "space is given back with release");
  ring.release();
  assert.is(producer.consumed, producer.produced);
});

for (const start of [0n, 2n ** 31n - 512n, 2n ** 32n - 512n, 2n ** 33n - 512n]) {
  for (const ordered of [true, false]) {
    const kind = ordered ? "plain loads" : "acquire loads";
    test(`a loop decodes the records that a walk shows, from ${start} on (${kind})`, () => {
      const producer = new Producer(start);
      const ring = new Ring(producer.memory, producer.size, ordered);
      /** Up to `limit` texts of less than 60 bytes. */
      const decode = (limit: number): string[] => {
        const texts: string[] = [];
        const end = ring.decode(decodeText, texts, 0, limit);
        assert.is(end, texts.length);
        return texts;
      };
      for (let round = 0; round < 40; round++) {
        for (const each of ["a", "bc"]) producer.put(text(each));
        for (let gone = 0; gone < 2; gone++) producer.put(text("gone"), DISCARDED);
        for (const each of ["", "x".repeat(50), "y".repeat(60)]) producer.put(text(each));
        const busy = producer.produced;
        producer.put(text("late"), BUSY);
        ring.snapshot();
        assert.equal(decode(1), ["a"]);
        assert.equal(decode(8), ["bc", "", "x".repeat(50)], "it went back to the next");
        assert.equal([ring.consumed, ring.discarded], [6 * round + 4, 2 * round + 2]);
        assert.equal(decode(8), []);
        assert.equal(drain(ring), ["y".repeat(60)]);
        assert.equal(decode(8), [], "what is busy is a walk's to tell");
        assert.is(producer.consumed, busy);
        producer.finish(busy, 4);
        ring.snapshot();
        assert.equal(decode(8), ["late"]);
        ring.release();
        assert.is(producer.consumed, producer.produced);
      }
      assert.is(ring.consumedBytes, 40 * (1 + 2 + 50 + 60 + 4));
      assert.ok(producer.produced > start + 4096n);
    });
  }
}

test("a snapshot does not grow while it is walked", () => {
  const producer = new Producer();
  const ring = new Ring(producer.memory, producer.size);
  producer.put(text("first"));
  ring.snapshot();
  let seen = 0;
  ring.walk(() => {
    seen++;
    producer.put(text("more"));
  }, Number.POSITIVE_INFINITY);
  assert.is(seen, 1);
  assert.equal(drain(ring), ["more"]);
});

test("a walk takes no more than its limit, and goes on where it ended", () => {
  const producer = new Producer();
  const ring = new Ring(producer.memory, producer.size);
  for (const each of "abcde") producer.put(text(each));
  assert.equal(drain(ring, 2), ["a", "b"]);
  assert.equal(drain(ring, 2), ["c", "d"]);
  assert.equal(drain(ring, 2), ["e"]);
});

test("a record whose callback throws is consumed, the ones after it are not", () => {
  const producer = new Producer();
  const ring = new Ring(producer.memory, producer.size);
  for (const each of "abc") producer.put(text(each));
  ring.snapshot();
  let calls = 0;
  const fail = () => {
    if (++calls === 2) throw new Error("no");
  };
  assert.throws(() => ring.walk(fail, 9), /^no$/);
  assert.equal(drain(ring), ["c"]);
  assert.is(ring.consumed, 3);
});

test("halt ends a walk after the record it is at", () => {
  const producer = new Producer();
  const ring = new Ring(producer.memory, producer.size);
  for (const each of "abc") producer.put(text(each));
  ring.snapshot();
  assert.is(
    ring.walk(() => ring.halt(), 9),
    1,
  );
  assert.is(
    ring.walk(() => {}, 9),
    0,
    "until the next snapshot",
  );
  assert.equal(drain(ring), ["b", "c"]);
});

test("positions carry into the high half, so that the ring goes on after 4 GiB", () => {
  for (const start of [0x1_0000_0000n - 64n, 0x8000_0000n - 64n, 0x7_ffff_fff8n]) {
    const producer = new Producer(start);
    const ring = new Ring(producer.memory, producer.size);
    for (let round = 0; round < 100; round++) {
      const sent = `record ${round}`;
      assert.ok(producer.put(text(sent)));
      assert.equal(drain(ring), [sent]);
      assert.is(producer.consumed, producer.produced, `from ${start}, round ${round}`);
    }
  }
});

test("the carry is right when records are taken one by one and given back late", () => {
  const producer = new Producer(0x1_0000_0000n - 1024n);
  const ring = new Ring(producer.memory, producer.size);
  for (let round = 0; round < 40; round++) {
    for (let record = 0; record < 20; record++) assert.ok(producer.put(text("0123456789abcdef")));
    ring.snapshot();
    for (let record = 0; record < 20; record++) assert.ok(ring.advance());
    assert.not.ok(ring.advance());
    ring.release();
    assert.is(producer.consumed, producer.produced);
  }
  assert.ok(producer.consumed > 0x1_0000_0000n);
});

test("space is given back before a slow reader has held an eighth of the ring", () => {
  const producer = new Producer();
  const ring = new Ring(producer.memory, producer.size);
  while (producer.put(text("0123456789abcdef")));
  ring.snapshot();
  for (let taken = 0; taken < 60; taken++) ring.advance();
  assert.ok(producer.consumed > 0n);
  assert.ok(60n * 24n - producer.consumed <= BigInt(PAGE / 8 + 24));
});

test("what another consumer has taken meanwhile is not taken again", () => {
  const producer = new Producer();
  const ours = new Ring(producer.memory, producer.size);
  const theirs = new Ring(producer.memory, producer.size);
  for (const each of "abc") producer.put(text(each));
  assert.equal(drain(ours, 1), ["a"]);
  assert.equal(drain(theirs), ["b", "c"]);
  producer.put(text("d"));
  assert.equal(drain(ours), ["d"]);
});

test("a header that reaches beyond what was produced is an error, not a read", () => {
  const producer = new Producer();
  const ring = new Ring(producer.memory, producer.size);
  producer.put(text("good"));
  producer.put(text("bad"));
  producer.finish(16n, 0x3fff_ffff);
  const isCorrupt = (error: unknown) => error instanceof BpfError && error.code === "ERR_RING";
  assert.throws(() => drain(ring), isCorrupt);
  assert.is(ring.consumed, 1);
  ring.snapshot();
  assert.is(ring.decode(decodeText, [], 0, 9), 0, "a loop does not go beyond it");
  assert.throws(() => ring.advance(), isCorrupt);
});

test("more than the ring's size, produced and not consumed, is an error, and nothing is taken", () => {
  const producer = new Producer();
  const ring = new Ring(producer.memory, producer.size);
  for (const each of "abc") producer.put(text(each));
  new BigUint64Array(producer.memory.producer)[0] = 1n << 30n;
  const isCorrupt = (error: unknown) => error instanceof BpfError && error.code === "ERR_RING";
  assert.throws(() => drain(ring), isCorrupt);
  assert.throws(() => ring.advance(), isCorrupt);
  assert.is(ring.decode(decodeText, [], 0, 9), 0);
  assert.equal([ring.consumed, producer.consumed], [0, 0n]);
  new BigUint64Array(producer.memory.producer)[0] = 48n;
  assert.equal(drain(ring), ["a", "b", "c"]);
});

test("property: what goes in comes out, whatever the order of putting and taking", () => {
  const step = fc.oneof(
    fc.record({ put: fc.uint8Array({ maxLength: 700 }), discard: fc.boolean() }),
    fc.record({
      take: fc.integer({ min: 1, max: 9 }),
      by: fc.constantFrom("advance", "walk", "decode"),
    }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.nat(0xffff), (steps, start) => {
      const producer = new Producer(0x1_0000_0000n - BigInt(start & ~7));
      const ring = new Ring(producer.memory, producer.size);
      const sent: Uint8Array[] = [];
      const got: Uint8Array[] = [];
      for (const each of steps) {
        if ("put" in each) {
          const stored = producer.put(each.put, each.discard ? DISCARDED : 0);
          if (stored && !each.discard) sent.push(each.put);
          continue;
        }
        ring.snapshot();
        if (each.by === "decode") {
          ring.decode(decodeBytes, got, got.length, got.length + each.take);
          ring.release();
        } else if (each.by === "advance") {
          for (let taken = 0; taken < each.take && ring.advance(); taken++) {
            got.push(ring.bytes.slice(ring.offset, ring.offset + ring.length));
          }
          ring.release();
        } else {
          ring.walk((view, offset, length) => {
            got.push(new Uint8Array(view.buffer, offset, length).slice());
          }, each.take);
        }
      }
      ring.snapshot();
      while (ring.advance()) got.push(ring.bytes.slice(ring.offset, ring.offset + ring.length));
      ring.release();
      assert.equal(got, sent);
      assert.is(producer.consumed, producer.produced);
    }),
  );
});

test.run();
