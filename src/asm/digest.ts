/**
 * SHA-1 and SHA-256 of a few kilobytes, for tags of programs: browsers have them, but only where
 * one can wait for the answer. Not for secrets.
 *
 * From FIPS 180-4.
 *
 * @module
 */

import { viewOf } from "../bytes.ts";

const BLOCK = 64;

/** The first digits, as 32 bits, of the fractional part of a number. */
function fraction(value: number): number {
  return ((value - Math.floor(value)) * 0x1_0000_0000) >>> 0;
}

/** The first 64 primes, whose roots give the constants of SHA-256. */
const primes: readonly number[] = (() => {
  const found: number[] = [];
  for (let number = 2; found.length < 64; number++) {
    if (found.every((prime) => number % prime !== 0)) found.push(number);
  }
  return found;
})();

const ROUND_256: Uint32Array = Uint32Array.from(primes, (prime) => fraction(Math.cbrt(prime)));
const START_256: Uint32Array = Uint32Array.from(primes.slice(0, 8), (prime) =>
  fraction(Math.sqrt(prime)),
);
const START_1: Uint32Array = Uint32Array.of(
  0x6745_2301,
  0xefcd_ab89,
  0x98ba_dcfe,
  0x1032_5476,
  0xc3d2_e1f0,
);

/** The SHA-1 digest, 20 bytes. */
export function sha1(bytes: Uint8Array): Uint8Array {
  const schedule = new Uint32Array(80);
  return digest(bytes, START_1, (state, block) => {
    for (let i = 0; i < 80; i++) {
      schedule[i] =
        i < 16
          ? block(i)
          : left(schedule[i - 3]! ^ schedule[i - 8]! ^ schedule[i - 14]! ^ schedule[i - 16]!, 1);
    }
    let [a, b, c, d, e] = [state[0]!, state[1]!, state[2]!, state[3]!, state[4]!];
    for (let i = 0; i < 80; i++) {
      const [mixed, constant] =
        i < 20
          ? [(b & c) | (~b & d), 0x5a82_7999]
          : i < 40
            ? [b ^ c ^ d, 0x6ed9_eba1]
            : i < 60
              ? [(b & c) | (b & d) | (c & d), 0x8f1b_bcdc]
              : [b ^ c ^ d, 0xca62_c1d6];
      const next = (left(a, 5) + mixed + e + constant + schedule[i]!) | 0;
      [a, b, c, d, e] = [next, a, left(b, 30), c, d];
    }
    add(state, [a, b, c, d, e]);
  });
}

/** The SHA-256 digest, 32 bytes. */
export function sha256(bytes: Uint8Array): Uint8Array {
  const schedule = new Uint32Array(64);
  return digest(bytes, START_256, (state, block) => {
    for (let i = 0; i < 64; i++) {
      if (i < 16) {
        schedule[i] = block(i);
        continue;
      }
      const [old, young] = [schedule[i - 15]!, schedule[i - 2]!];
      const first = right(old, 7) ^ right(old, 18) ^ (old >>> 3);
      const second = right(young, 17) ^ right(young, 19) ^ (young >>> 10);
      schedule[i] = schedule[i - 16]! + first + schedule[i - 7]! + second;
    }
    let [a, b, c, d] = [state[0]!, state[1]!, state[2]!, state[3]!];
    let [e, f, g, h] = [state[4]!, state[5]!, state[6]!, state[7]!];
    for (let i = 0; i < 64; i++) {
      const chosen = (e & f) ^ (~e & g);
      const turned = right(e, 6) ^ right(e, 11) ^ right(e, 25);
      const first = (h + turned + chosen + ROUND_256[i]! + schedule[i]!) | 0;
      const majority = (a & b) ^ (a & c) ^ (b & c);
      const second = ((right(a, 2) ^ right(a, 13) ^ right(a, 22)) + majority) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
    }
    add(state, [a, b, c, d, e, f, g, h]);
  });
}

/** Feeds the padded message, block by block; `block(i)` is word `i` of the one at hand. */
function digest(
  bytes: Uint8Array,
  start: Uint32Array,
  feed: (state: Uint32Array, block: (index: number) => number) => void,
): Uint8Array {
  const state = start.slice();
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / BLOCK) * BLOCK);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = viewOf(padded);
  // The length in bits, of which numbers hold enough.
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 0x2000_0000));
  view.setUint32(padded.length - 4, (bytes.length * 8) >>> 0);
  for (let at = 0; at < padded.length; at += BLOCK) {
    feed(state, (index) => view.getUint32(at + index * 4));
  }
  const result = new Uint8Array(state.length * 4);
  for (const [index, word] of state.entries()) viewOf(result).setUint32(index * 4, word);
  return result;
}

function add(state: Uint32Array, words: readonly number[]): void {
  for (const [index, word] of words.entries()) state[index] = state[index]! + word;
}

function left(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function right(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}
