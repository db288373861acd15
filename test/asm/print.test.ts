import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  decode,
  decodeAll,
  encodeAll,
  formatLine,
  type Instruction,
  OpcodeClass,
  opcodeClass,
  print,
  printAll,
} from "../../src/asm/index.ts";
import { verifierText } from "./verifier-text.ts";
import { xlatedBytes, xlatedText } from "./xlated-text.ts";

const test = suite("asm/print");

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function plain(opcode: number, fields: Partial<Instruction> = {}): Instruction {
  return { opcode, dst: 0, src: 0, offset: 0, imm: 0, ...fields };
}

test("each instruction is printed as the verifier prints it", () => {
  assert.ok(verifierText.length > 200);
  for (const [bytes, text] of verifierText) {
    assert.is(print(decode(fromHex(bytes), 0, true)), text, bytes);
  }
});

test("big-endian programs are printed alike", () => {
  for (const [bytes, text] of verifierText) {
    const swapped = encodeAll([decode(fromHex(bytes), 0, true)], false);
    assert.is(printAll(swapped, false)[0]?.text, text);
  }
});

test("a program is listed as bpftool lists it, given the names it knows", () => {
  const maps = (instruction: Instruction): string | undefined => {
    const low = instruction.imm;
    const high = Number((instruction.imm64 ?? 0n) >> 32n);
    if (instruction.src === 1) return `map[id:${low}]`;
    if (instruction.src === 2) return `map[id:${low}][0]+${high}`;
    return instruction.src === 4 ? `subprog[+${low}]` : undefined;
  };
  const calls = new Map([
    [8, "__htab_map_lookup_elem#330864"],
    [19, "pc+60#bpf_prog_970480fe1c218ee3_f"],
    [51, "bpf_for_each_array_elem#349856"],
  ]);
  const names = { immediate: maps, call: (_: Instruction, slot: number) => calls.get(slot) };
  const lines = printAll(fromHex(xlatedBytes), true, names);
  assert.equal(lines.map(formatLine), xlatedText);
  assert.equal(
    printAll(decodeAll(fromHex(xlatedBytes), true), true, names).map(formatLine),
    xlatedText,
  );
});

test("names are asked for only where the kernel's own text has none", () => {
  const asked: number[] = [];
  const names = {
    immediate: () => undefined,
    call: (instruction: Instruction, slot: number) => {
      asked.push(slot);
      return instruction.src === 2 ? "bpf_rcu_read_lock#4711" : undefined;
    },
  };
  assert.is(print(plain(0x85, { imm: 1 }), names, 0), "call bpf_map_lookup_elem#1");
  assert.is(print(plain(0x85, { src: 2, imm: 4711 }), names, 1), "call bpf_rcu_read_lock#4711");
  assert.is(print(plain(0x85, { src: 1, imm: 3 }), names, 2), "call pc+3");
  assert.is(print(plain(0x18, { src: 1, imm: 7, imm64: 7n }), names, 3), "r0 = 0x7");
  assert.equal(asked, [1, 2]);
  assert.is(print(plain(0x85, { src: 2, imm: 4711 })), "call kernel-function#4711");
});

test("forms newer than 6.18, or only seen in dumps, are printed as by the newest kernel", () => {
  assert.is(print(plain(0x0d, { dst: 3 })), "gotox r3");
  assert.is(print(plain(0xc2)), "nospec");
  assert.is(print(plain(0xbf, { dst: 1, src: 2, offset: -1 })), "r1 = &(void __percpu *)(r2)");
});

test("what no kernel knows is printed as BUG with the opcode", () => {
  // Every opcode that Linux 6.18 does not call unknown, loads aside.
  const known = new Set(
    fromHex(
      [
        "04050607 0c0f 14151617 18 1c1d1e1f 20 24252627 28 2c2d2e2f 30 34353637 3c3d3e3f 40",
        "44454647 48 4c4d4e4f 50 54555657 5c5d5e5f 61626364 65666769 6a6b6c6d 6e6f 71727374",
        "75767779 7a7b7c7d 7e7f 81 84858789 91949597 9c9f a4a5a6a7 acadaeaf b4b5b6b7 bcbdbebf",
        "c3c4c5c6 c7cbcccd cecf d3d4d5d6 d7db dcdddee5",
      ]
        .join("")
        .replaceAll(" ", ""),
    ),
  );
  const printed = new Set<number>();
  for (let opcode = 0; opcode < 256; opcode++) {
    const text = print(plain(opcode));
    if (!text.startsWith("BUG_")) printed.add(opcode);
    else assert.is(text.replace(/^BUG_(ldx?_|st_)?/, ""), opcode.toString(16).padStart(2, "0"));
    if (opcodeClass(opcode) === OpcodeClass.LDX && !known.has(opcode))
      assert.match(text, "BUG_ldx_");
  }
  for (const opcode of known) assert.ok(printed.has(opcode), opcode.toString(16));
  const extra = [...printed].filter((opcode) => !known.has(opcode));
  // Printed by the kernel's own listing as well: gotox, packet loads of 8 bytes, negation and swap with a stray source
  // bit, and the barrier of its four sizes.
  assert.equal(extra, [0x0d, 0x38, 0x58, 0x8c, 0x8f, 0xc2, 0xca, 0xd2, 0xda, 0xdf]);
  assert.is(print(plain(0xdb, { imm: 0x42 })), "BUG_db");
  assert.is(print(plain(0xe5, { src: 1 })), "BUG_e5");
});

test.run();
