/**
 * For the tests of uprobes: a tiny executable of known instructions, written as bytes, for x86-64 and arm64.
 *
 * It waits for a byte or the end of its standard input, calls `probe_me` three times, and exits with the value of its
 * semaphore, which is 0 unless the kernel raises it. `trap` is a breakpoint, which is never run.
 *
 * @module
 */

import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileType, Machine, SectionFlag, SegmentType, SymbolType } from "../../elf/index.ts";
import { viewOf } from "../../src/bytes.ts";
import { buildElf } from "../helper/elf-builder.ts";

/** Where the file is mapped for running, and once more for writing. */
const CODE = 0x40_0000;
const DATA = 0x60_0000;
/** Of the code section in the file, and of the semaphore after it. */
const TEXT = 64 + 2 * 56 + 16;

interface Code {
  machine: number;
  bytes: Uint8Array;
  /** Bytes from the start of the section. */
  probeMe: number;
  probeMeSize: number;
  /** To an instruction in `probe_me` after the first. */
  secondInstruction: number;
  trap: number;
  start: number;
}

/** What `probe_me` returns. */
export const RETURNED = 42n;

function x64(semaphore: number, nops: number): Code {
  // nop…; nop; mov eax, 42; nop; ret
  const probeMe = [...Array<number>(nops).fill(0x90), 0x90, 0xb8, 42, 0, 0, 0, 0x90, 0xc3];
  const trap = [0xcc, 0xc3]; // int3; ret
  const start = probeMe.length + trap.length;
  const code = [...probeMe, ...trap];
  // xor eax, eax; xor edi, edi; lea rsi, [rsp-64]; mov edx, 1; syscall: read(0, …, 1)
  code.push(0x31, 0xc0, 0x31, 0xff, 0x48, 0x8d, 0x74, 0x24, 0xc0, 0xba, 1, 0, 0, 0, 0x0f, 0x05);
  for (let i = 0; i < 3; i++) {
    code.push(0xe8, ...word(0 - (code.length + 5))); // call probe_me
  }
  code.push(0x0f, 0xb7, 0x3c, 0x25, ...word(semaphore)); // movzx edi, word ptr [semaphore]
  code.push(0xb8, 60, 0, 0, 0, 0x0f, 0x05); // mov eax, 60; syscall: exit(edi)
  return {
    machine: Machine.X86_64,
    bytes: Uint8Array.from(code),
    probeMe: 0,
    probeMeSize: probeMe.length,
    secondInstruction: 1,
    trap: probeMe.length,
    start,
  };
}

function arm64(semaphore: number, nops: number): Code {
  const words = [
    ...Array<number>(nops).fill(0xd503201f),
    0xd503201f, // probe_me: nop
    0x52800540, // mov w0, #42
    0xd503201f, // nop
    0xd65f03c0, // ret
    0xd42000a0, // trap: brk #5, the breakpoint of uprobes
    0xd65f03c0, // ret
    0xd2800000, // start: mov x0, #0
    0xd10103e1, // sub x1, sp, #64
    0xd2800022, // mov x2, #1
    0xd28007e8, // mov x8, #63
    0xd4000001, // svc #0: read(0, …, 1)
  ];
  for (let i = 0; i < 3; i++) words.push((0x94000000 | (-words.length & 0x3ffffff)) >>> 0); // bl probe_me
  words.push(
    (0xd2800001 | ((semaphore & 0xffff) << 5)) >>> 0, // movz x1, #low
    (0xf2a00001 | ((semaphore >>> 16) << 5)) >>> 0, // movk x1, #high, lsl #16
    0x79400020, // ldrh w0, [x1]
    0xd2800ba8, // mov x8, #93
    0xd4000001, // svc #0: exit(w0)
  );
  return {
    machine: Machine.AARCH64,
    bytes: Uint8Array.from(words.flatMap((value) => word(value))),
    probeMe: 0,
    probeMeSize: nops * 4 + 16,
    secondInstruction: 4,
    trap: nops * 4 + 16,
    start: nops * 4 + 24,
  };
}

/** The executable on disk; disposing it removes the file. */
export interface TargetProgram extends Disposable {
  path: string;
  secondInstruction: number;
  probeMeSize: number;
  /** Addresses as the symbol table has them. */
  probeMeAddress: number;
  /** Offsets in the file. */
  probeMeOffset: number;
  semaphoreOffset: number;
}

/** Writes the executable to a new folder; `nops` more instructions are at the start of `probe_me`. */
export function writeTargetProgram({ nops = 0 }: { nops?: number } = {}): TargetProgram {
  const build = process.arch === "arm64" ? arm64 : x64;
  // The code has the same length wherever the semaphore is.
  const semaphoreOffset = TEXT + Math.ceil(build(0, nops).bytes.length / 16) * 16;
  const code = build(DATA + semaphoreOffset, nops);
  const at = (offset: number): number => CODE + TEXT + offset;
  const segment = {
    type: SegmentType.LOAD,
    offset: 0,
    fileSize: 4096,
    memorySize: 4096,
    alignment: 4096,
  };
  const symbol = { section: ".text", type: SymbolType.FUNC };
  const bytes = buildElf({
    type: FileType.EXEC,
    machine: code.machine,
    entry: BigInt(at(code.start)),
    segments: [
      { ...segment, flags: 5, address: BigInt(CODE) },
      { ...segment, flags: 6, address: BigInt(DATA) },
    ],
    sections: [
      {
        name: ".text",
        flags: SectionFlag.ALLOC | SectionFlag.EXECINSTR,
        alignment: 64,
        address: BigInt(at(0)),
        data: code.bytes,
      },
      {
        name: ".data",
        flags: SectionFlag.ALLOC | SectionFlag.WRITE,
        alignment: 16,
        data: new Uint8Array(16),
      },
    ],
    symbols: [
      { ...symbol, name: "probe_me", value: at(code.probeMe), size: code.probeMeSize },
      { ...symbol, name: "trap", value: at(code.trap), size: code.start - code.trap },
      { ...symbol, name: "_start", value: at(code.start), size: code.bytes.length - code.start },
    ],
  });
  const padded = new Uint8Array(4096);
  padded.set(bytes);
  // Where the builder put the section is where the code must believe it is.
  const view = viewOf(bytes);
  const sections = Number(view.getBigUint64(40, true));
  const textAt = Number(view.getBigUint64(sections + 64 + 24, true));
  const dataAt = Number(view.getBigUint64(sections + 128 + 24, true));
  if (textAt !== TEXT || dataAt !== semaphoreOffset) {
    throw new Error(`the code is at ${textAt}, the semaphore at ${dataAt} of the file`);
  }
  const folder = mkdtempSync(join(tmpdir(), "ebpf-target-"));
  const path = join(folder, "target");
  writeFileSync(path, padded);
  chmodSync(path, 0o755);
  return {
    path,
    secondInstruction: code.secondInstruction,
    probeMeSize: code.probeMeSize,
    probeMeAddress: at(code.probeMe),
    probeMeOffset: TEXT + code.probeMe,
    semaphoreOffset,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

function word(value: number): number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >>> 24) & 0xff];
}

/** Writes the same file next to it, without a segment that is run. */
export function writeDataOnly({ path }: TargetProgram): string {
  const bytes = readFileSync(path);
  // `p_flags` of the first program header: PF_R.
  bytes[64 + 4] = 4;
  writeFileSync(`${path}.data`, bytes);
  return `${path}.data`;
}
