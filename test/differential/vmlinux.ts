/**
 * Takes the types out of a kernel image as distributions ship it, without booting it.
 *
 * Knows x86's bzImage, whose payload is a compressed ELF file, and arm64's Image, which is neither. What
 * undoes the compression are programs of the machine: Node 20 knows gzip alone.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { gunzipSync } from "node:zlib";
import { Btf } from "../../btf/index.ts";
import { ElfFile } from "../../elf/index.ts";
import { viewOf } from "../../src/bytes.ts";

/** `struct setup_header`, arch/x86/include/uapi/asm/bootparam.h: places in the file. */
const SETUP = { sectors: 0x1f1, magic: 0x202, payload: 0x248, length: 0x24c };
const SECTOR = 512;
const SETUP_MAGIC = "HdrS";
/** `struct arm64_image_header`: `ARM\x64`. */
const ARM64 = { place: 56, magic: "ARM\x64" };
/** A kernel's ELF file has some 60 MB. */
const MAX_IMAGE = 0x2000_0000;

/** Programs by the first bytes of what they unpack (lib/decompress.c of the kernel). */
const UNPACKERS: readonly { magic: string; command: readonly [string, ...string[]] }[] = [
  { magic: "28b52ffd", command: ["zstd", "-dcq"] },
  { magic: "02214c18", command: ["lz4", "-dcq"] },
  { magic: "fd377a58", command: ["xz", "-dcq", "--single-stream"] },
];
const GZIP = "1f8b08";

/** The BTF of a kernel image; throws when the image has none, or its compression is not known. */
export function btfOfImage(image: Uint8Array): Uint8Array {
  if (textAt(image, SETUP.magic, 4) === SETUP_MAGIC) return btfOfElf(unpack(payloadOf(image)));
  if (textAt(image, ARM64.place, 4) === ARM64.magic) return findBtf(image);
  throw new Error("this is neither x86's bzImage nor arm64's Image");
}

/** The compressed kernel in a bzImage. */
function payloadOf(image: Uint8Array): Uint8Array {
  const view = viewOf(image);
  // "If setup_sects is 0, it is 4" (Documentation/arch/x86/boot.rst).
  const sectors = view.getUint8(SETUP.sectors) || 4;
  const start = (sectors + 1) * SECTOR + view.getUint32(SETUP.payload, true);
  return image.subarray(start, start + view.getUint32(SETUP.length, true));
}

function unpack(payload: Uint8Array): Uint8Array {
  const magic = Buffer.from(payload.subarray(0, 4)).toString("hex");
  if (magic.startsWith(GZIP)) return gunzipSync(payload, { maxOutputLength: MAX_IMAGE });
  const known = UNPACKERS.find((unpacker) => magic.startsWith(unpacker.magic));
  if (known === undefined) throw new Error(`it is compressed in an unknown way (${magic})`);
  const [program, ...args] = known.command;
  // The build appends the unpacked size, which some programs stumble over.
  const input = payload.subarray(0, -4);
  const { error, status, stdout, stderr } = spawnSync(program, args, {
    input,
    maxBuffer: MAX_IMAGE,
  });
  if (error !== undefined) throw new Error(`run ${program}: is it installed?`, { cause: error });
  if (status !== 0) throw new Error(`run ${program}: ${status}: ${stderr.toString().trim()}`);
  return stdout;
}

function btfOfElf(bytes: Uint8Array): Uint8Array {
  const file = ElfFile.parse(bytes);
  const section = file.section(".BTF");
  if (section === undefined) throw new Error("the kernel has no section .BTF");
  return file.data(section).slice();
}

/** The largest BTF among bytes that no table tells of: other things of the kernel hold a few types, too. */
function findBtf(image: Uint8Array): Uint8Array {
  const bytes = Buffer.from(image.buffer, image.byteOffset, image.byteLength);
  // struct btf_header: magic, version 1, no flags, 24 bytes.
  const magic = Buffer.from("9feb010018000000", "hex");
  let best: Uint8Array | undefined;
  for (let at = bytes.indexOf(magic); at !== -1; at = bytes.indexOf(magic, at + 1)) {
    const end = at + 24 + bytes.readUInt32LE(at + 16) + bytes.readUInt32LE(at + 20);
    if (end > bytes.length || end - at < (best?.length ?? 0)) continue;
    const found = bytes.subarray(at, end);
    if (isBtf(found)) best = found;
  }
  if (best === undefined) throw new Error("the image holds no BTF");
  return Uint8Array.from(best);
}

function isBtf(bytes: Uint8Array): boolean {
  try {
    return Btf.parse(bytes).typeCount > 1;
  } catch {
    return false;
  }
}

function textAt(bytes: Uint8Array, at: number, length: number): string {
  return Buffer.from(bytes.subarray(at, at + length)).toString("latin1");
}
