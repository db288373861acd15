import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { toHex } from "../../src/bytes.ts";
import { CollectionSpec } from "../../src/collection.ts";
import { BpfError } from "../../src/error.ts";
import { disassemble, disassemblyLines, functionSignatures } from "../../src/report/index.ts";
import { type ObjectSpec, parseObject } from "../../src/spec/index.ts";
import { fixtureObjects, fixturePath, readFixture } from "../helper/fixtures.ts";
import { isOlderThan, kernelTest } from "../helper/kernel.ts";
import { changed, changes } from "../spec/mutation.ts";

const test = suite("report: disassembly");

function readable(): [name: string, spec: ObjectSpec][] {
  return fixtureObjects().flatMap((name): [string, ObjectSpec][] => {
    try {
      return [[name, parseObject(readFixture(name))]];
    } catch (error) {
      if (!(error instanceof BpfError)) throw error;
      return [];
    }
  });
}

function listing(object: string, program: string): string[] {
  const spec = parseObject(readFixture(object));
  return [...disassemblyLines(spec, spec.programs[program]!)];
}

test("functions, source lines, calls", () => {
  assert.equal(listing("calls.clang22.el.o", "chain"), [
    "int chain(void *skb):",
    "; return a(1000); @ calls.bpf.c:64",
    "   0: (b4) w1 = 1000",
    "   1: (85) call pc+1                             ; a",
    "   2: (95) exit",
    "int a(int value):",
    "; OPAQUE(value); @ calls.bpf.c:27",
    "   3: (bc) w1 = w1",
    "; return b(value + 100); @ calls.bpf.c:28",
    "   4: (04) w1 += 100",
    "   5: (85) call pc+1                             ; b",
    "   6: (95) exit",
    "int b(int value):",
    "; OPAQUE(value); @ calls.bpf.c:21",
    "   7: (bc) w1 = w1",
    "; return c(value + 10); @ calls.bpf.c:22",
    "   8: (04) w1 += 10",
    "   9: (85) call pc+1                             ; c",
    "  10: (95) exit",
    "int c(int value):",
    "; OPAQUE(value); @ calls.bpf.c:15",
    "  11: (bc) w0 = w1",
    "; return value + 1; @ calls.bpf.c:16",
    "  12: (04) w0 += 1",
    "  13: (95) exit",
  ]);
});

test("kernel variables with CO-RE, variables of the object, weak symbols", () => {
  assert.equal(listing("ksyms-typed.clang22.el.o", "variables"), [
    "int variables(void *ctx):",
    "; const struct rq *rq = bpf_per_cpu_ptr(&runqueues, 0); @ ksyms-typed.bpf.c:21",
    "   0: (18) r1 = ksym[name:runqueues]",
    "   2: (b4) w2 = 0",
    "   3: (85) call bpf_per_cpu_ptr#153",
    "; if (rq) @ ksyms-typed.bpf.c:23",
    "   4: (15) if r0 == 0x0 goto pc+4",
    "; cpu = rq->cpu; @ ksyms-typed.bpf.c:24",
    "   5: (61) r1 = *(u32 *)(r0 +0)                  ; CO-RE field_byte_offset rq.cpu",
    "   6: (18) r2 = map[name:.data][0]+0             ; cpu",
    "   8: (63) *(u32 *)(r2 +0) = r1",
    "   9: (b4) w1 = -1",
    "; if (&no_such_variable_in_any_kernel) @ ksyms-typed.bpf.c:25",
    "  10: (18) r2 = ksym[name:no_such_variable_in_any_kernel]",
    "  12: (15) if r2 == 0x0 goto pc+1",
    "; missing = no_such_variable_in_any_kernel; @ ksyms-typed.bpf.c:26",
    "  13: (61) r1 = *(u32 *)(r2 +0)",
    "  14: (18) r2 = map[name:.bss][0]+0              ; missing",
    "  16: (63) *(u32 *)(r2 +0) = r1",
    "; return 0; @ ksyms-typed.bpf.c:29",
    "  17: (b4) w0 = 0",
    "  18: (95) exit",
  ]);
});

test("both byte orders are listed alike; without BTF there are names only", () => {
  for (const object of ["calls", "globals", "callbacks.clang22", "kfunc.clang19"]) {
    for (const name of Object.keys(parseObject(readFixture(`${object}.el.o`)).programs)) {
      assert.equal(listing(`${object}.eb.o`, name), listing(`${object}.el.o`, name), object);
    }
  }
  const [first, second] = listing("calls.nobtf.el.o", "chain");
  assert.is(first, "chain:");
  assert.match(second!, /^ {3}0: \(/);
});

test("what each instruction names", () => {
  const found = (object: string, program: string): unknown[] => {
    const spec = parseObject(readFixture(object));
    const instructions = [...disassemble(spec, spec.programs[program]!)];
    return instructions.flatMap(({ reference }) => (reference === null ? [] : [reference]));
  };
  const globals = found("globals.el.o", "add");
  const value = { kind: "map-value", name: ".rodata", offset: 20, variable: "defaults" };
  assert.equal(globals[5], value);
  const functions = found("kfunc.clang22.el.o", "use").map((reference) => {
    const { kind, name } = reference as { kind: string; name: string };
    return `${kind} ${name}`;
  });
  for (const expected of ["kfunc bpf_task_release", "ksym bpf_task_release", "map-value .bss"]) {
    assert.ok(functions.includes(expected), expected);
  }
  const callbacks = parseObject(readFixture("callbacks.clang22.el.o"));
  const kinds = Object.keys(callbacks.programs).flatMap((name) =>
    found("callbacks.clang22.el.o", name).map((reference) => (reference as { kind: string }).kind),
  );
  for (const kind of ["function", "map"]) assert.ok(kinds.includes(kind), kind);
  const configured = found(
    "kconfig.el.o",
    Object.keys(parseObject(readFixture("kconfig.el.o")).programs)[0]!,
  );
  assert.ok(
    configured.some(
      (reference) =>
        (reference as { name: string }).name === ".kconfig" &&
        (reference as { variable?: string }).variable === "LINUX_KERNEL_VERSION",
    ),
  );
});

test("a place inside a variable, and one of no variable", () => {
  const spec = parseObject(readFixture("globals.el.o"));
  const program = spec.programs["add"]!;
  const { slot } = program.references.find(({ name }) => name === ".data")!;
  const at = (offset: number): unknown => {
    const instructions = new Uint8Array(program.instructions);
    new DataView(instructions.buffer).setUint32((slot + 1) * 8 + 4, offset, true);
    const lines = [...disassemble(spec, { ...program, instructions })];
    return lines.find((line) => line.slot === slot)?.reference?.variable;
  };
  assert.is(at(0), "total");
  assert.is(at(4), "total+4");
  assert.is(at(0xffff_ffff), null);
});

test("every fixture: all bytes in order, lines and relocations where the records say", () => {
  let relocations = 0;
  let sources = 0;
  for (const [name, spec] of readable()) {
    for (const program of Object.values(spec.programs)) {
      const instructions = [...disassemble(spec, program)];
      const bytes = instructions.map((instruction) => instruction.bytes).join("");
      assert.is(bytes, toHex(program.instructions), `${name}: ${program.name}`);
      const bySlot = new Map(instructions.map((instruction) => [instruction.slot, instruction]));
      for (const { slot, accessor } of program.coreRelocations) {
        assert.is(bySlot.get(slot)?.coreRelocation?.accessor, accessor);
        relocations++;
      }
      for (const [index, { slot, source }] of program.lines.entries()) {
        if (program.lines[index + 1]?.slot === slot) continue;
        assert.is(bySlot.get(slot)?.source?.line, source.line);
        assert.is(bySlot.get(slot)?.source?.text, source.text.trim());
        sources++;
      }
      assert.is(functionSignatures(spec, program).size, program.functions.length);
      assert.ok(
        instructions.every(({ text }) => !text.includes("BUG_")),
        name,
      );
    }
  }
  assert.ok(relocations > 400, `${relocations} relocations`);
  assert.ok(sources > 1000, `${sources} source lines`);
});

test("spoilt objects are listed or refused, with no line broken", () => {
  const bytes = readFixture("core-subprograms.clang22.el.o");
  fc.assert(
    fc.property(changes, (list) => {
      try {
        const spec = parseObject(changed(bytes, list));
        for (const program of Object.values(spec.programs)) {
          for (const line of disassemblyLines(spec, program)) {
            assert.not.match(line, /(?!\t)\p{Cc}/u);
          }
        }
      } catch (error) {
        if (!(error instanceof BpfError)) throw error;
      }
    }),
  );
});

// The kernel's own words.

/** Whether the log line is an instruction: slot, opcode, text, and what the verifier thinks of it. */
const INSTRUCTION = /^(\d+): \(([0-9a-f]{2})\) (.*?)\s*(?:;.*)?$/;

const LOADED = ["calls.el.o", "calls.clang22.el.o", "globals.el.o", "types.el.o", "maps.el.o"];

for (const object of LOADED) {
  kernelTest(test, `the verifier's log of ${object} has the same lines`, async () => {
    const spec = CollectionSpec.fromFile(fixturePath(object));
    await using loaded = await spec.load({ logLevel: 2 });
    let compared = 0;
    let sources = 0;
    for (const [name, program] of Object.entries(spec.programs)) {
      const bySlot = new Map([...disassemble(spec, program)].map((line) => [line.slot, line]));
      let before = "";
      for (const line of (loaded.programs[name].log as string).split("\n")) {
        const [, slot, opcode, text] = INSTRUCTION.exec(line) ?? [];
        // Linux 7.2 prints branches that it has found to go one way as it has rewritten them.
        const isRewritten = text === "goto pc+0";
        if (slot !== undefined && !isRewritten) {
          const ours = bySlot.get(Number(slot));
          assert.is(ours?.bytes.slice(0, 2), opcode, line);
          // The kernel prints addresses, or nothing, for what has names here.
          const named = /\[name:|subprog/.test(ours?.text ?? "");
          const cut = (whole = ""): string => (named ? whole.replace(/ = .*/, "") : whole);
          assert.is(cut(ours?.text), cut(text), `${name}: ${line}`);
          compared++;
          if (before.startsWith("; ")) {
            const { text: source = "", file = "", line: number } = ours?.source ?? {};
            const place = isOlderThan("6.9") ? "" : ` @ ${file.replace(/.*\//, "")}:${number}`;
            assert.is(before.trimEnd(), `; ${source}${place}`.trimEnd(), name);
            sources++;
          }
        }
        before = line;
      }
    }
    assert.ok(compared >= 20, `${compared} instructions`);
    assert.ok(sources >= 5, `${sources} source lines`);
  });
}

test.run();
