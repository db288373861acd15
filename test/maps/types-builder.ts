/**
 * Types for maps that no object file declares, in our hands and in the kernel's.
 *
 * @module
 */

import { type Btf, BtfBuilder, Kind, type Member } from "../../btf/index.ts";
import { btfLoad } from "../../src/sys/bpf.ts";
import type { FileDescriptor } from "../../src/sys/fd.ts";

/** BTF with a few types, by their ids. */
export interface TestTypes {
  btf: Btf;
  u8: number;
  u32: number;
  u64: number;
  /** `struct flow { u32 source; u32 target; }`. */
  flow: number;
  /** `struct event { u64 time; u32 pid; char comm[12]; }`, 24 bytes. */
  event: number;
  /** `struct message { u32 kind; unsigned char rest[]; }`. */
  message: number;
  /** `struct padded { u8 flag; u64 count; }`, 16 bytes. */
  padded: number;
}

/** Adds an integer type, unsigned and plain unless `traits` say otherwise; gives its id. */
export function addInt(
  builder: BtfBuilder,
  name: string,
  size: number,
  traits: { signed?: boolean; bool?: boolean } = {},
): number {
  const plain = { signed: false, char: false, bool: false, bitOffset: 0, bits: size * 8 };
  return builder.add({ kind: Kind.INT, name, size, ...plain, ...traits });
}

/** A member of a structure that begins at a byte. */
export function memberAt(name: string, type: number, byte: number): Member {
  return { name, type, bitOffset: byte * 8, bitSize: 0 };
}

export function testTypes(): TestTypes {
  const builder = new BtfBuilder();
  const int = (name: string, size: number, signed = false) =>
    addInt(builder, name, size, { signed });
  const member = memberAt;
  const u8 = int("unsigned char", 1);
  const u32 = int("unsigned int", 4);
  const u64 = int("unsigned long long", 8);
  const char = int("char", 1, true);
  const array = (element: number, length: number) =>
    builder.add({ kind: Kind.ARRAY, element, index: u32, length });
  const comm = array(char, 12);
  const rest = array(u8, 0);
  const struct = (name: string, size: number, ...members: ReturnType<typeof member>[]) =>
    builder.add({ kind: Kind.STRUCT, name, size, members });
  const flow = struct("flow", 8, member("source", u32, 0), member("target", u32, 4));
  const event = struct(
    "event",
    24,
    member("time", u64, 0),
    member("pid", u32, 8),
    member("comm", comm, 12),
  );
  const message = struct("message", 4, member("kind", u32, 0), member("rest", rest, 4));
  const padded = struct("padded", 16, member("flag", u8, 0), member("count", u64, 8));
  return { btf: builder.btf(), u8, u32, u64, flow, event, message, padded };
}

/** The types in the kernel. */
export function loadTypes({ btf }: TestTypes): FileDescriptor {
  return btfLoad(btf.bytes).fd;
}
