/**
 * The kernel's side of a ring buffer, without the kernel, for tests of its readers.
 *
 * @module
 */

/** Size of the pages and of the ring. */
export const PAGE = 4096;
/** `BPF_RINGBUF_BUSY_BIT` and `BPF_RINGBUF_DISCARD_BIT`. */
export const BUSY = 0x8000_0000;
export const DISCARDED = 0x4000_0000;

/**
 * A ring of one page that is filled by calls: what `bpf_ringbuf_output` does, without the kernel.
 */
export class Producer {
  readonly memory: { consumer: ArrayBuffer; producer: ArrayBuffer; data: ArrayBuffer } = {
    consumer: new ArrayBuffer(PAGE),
    producer: new ArrayBuffer(PAGE),
    data: new ArrayBuffer(PAGE * 2),
  };
  readonly size: number = PAGE;
  readonly #data = new Uint8Array(this.memory.data);
  readonly #consumer = new BigUint64Array(this.memory.consumer, 0, 1);
  readonly #producer = new BigUint64Array(this.memory.producer, 0, 1);

  constructor(start = 0n) {
    this.#consumer[0] = start;
    this.#producer[0] = start;
  }

  get consumed(): bigint {
    return this.#consumer[0]!;
  }

  get produced(): bigint {
    return this.#producer[0]!;
  }

  /** False when the ring has no room. */
  put(bytes: Uint8Array, bits = 0): boolean {
    const room = Math.ceil((bytes.length + 8) / 8) * 8;
    if (this.produced + BigInt(room) - this.consumed > BigInt(this.size - 1)) return false;
    const at = Number(this.produced % BigInt(this.size));
    this.#write(at, bytes.length | bits);
    for (const [index, byte] of bytes.entries()) this.#writeByte(at + 8 + index, byte);
    this.#producer[0] = this.produced + BigInt(room);
    return true;
  }

  /** Finishes a record that was put busy at this position. */
  finish(position: bigint, length: number): void {
    this.#write(Number(position % BigInt(this.size)), length);
  }

  #write(at: number, header: number): void {
    const bytes = new Uint8Array(new Uint32Array([header]).buffer);
    for (const [index, byte] of bytes.entries()) this.#writeByte(at + index, byte);
  }

  #writeByte(at: number, byte: number): void {
    const place = at % this.size;
    this.#data[place] = byte;
    this.#data[place + this.size] = byte;
  }
}

/** The bytes of an ASCII text. */
export function text(value: string): Uint8Array {
  return Uint8Array.from(value, (character) => character.charCodeAt(0));
}
