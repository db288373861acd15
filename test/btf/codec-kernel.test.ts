import { existsSync, readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf } from "../../btf/btf.ts";
import { codecOf } from "../../btf/codec.ts";
import { Kind } from "../../btf/kind.ts";
import { skips } from "../helper/outcome.ts";
import { bothCodecs, encoded } from "./codec-types.ts";

const VMLINUX = "/sys/kernel/btf/vmlinux";
const SUITE = "btf/codec-kernel";
const test = suite(SUITE);

/**
 * Registers a test on the running kernel's types, which reading them is all that it needs of the
 * kernel.
 */
function onKernelTypes(name: string, body: (btf: Btf) => void): void {
  test(name, () => {
    if (existsSync(VMLINUX)) body(Btf.parse(readFileSync(VMLINUX)));
    else skips.push({ suite: SUITE, test: name, reason: `there is no ${VMLINUX}` });
  });
}

onKernelTypes("the kernel's structures decode and encode, by both back-ends alike", (btf) => {
  const zeros = new Uint8Array(1 << 20);
  // No order, so that every kind of value turns up; fixed, so that a failure comes again.
  const noise = zeros.map((_, index) => Math.imul(index + 1, 0x9e37_79b1) >>> 24);
  let count = 0;
  for (let id = 1; id < btf.typeCount; id++) {
    const kind = btf.kind(id);
    // A third of some 12 000 will do.
    if ((kind !== Kind.STRUCT && kind !== Kind.UNION) || id % 3 !== 0) continue;
    const [generated, interpreted] = bothCodecs(btf, id);
    const { size } = generated!;
    if (size > zeros.length) continue;
    count++;
    const label = `type ${id} ${btf.name(id)}`;
    const zero = generated!.decode(zeros, 0, size);
    assert.ok(isDeepStrictEqual(zero, interpreted!.decode(zeros, 0, size)), label);
    assert.ok(
      encoded(generated!, zero).every((byte) => byte === 0),
      label,
    );
    // Large ones take long and hold nothing else than small ones.
    if (size > 4096) continue;
    const value = generated!.decode(noise, 0, size);
    assert.ok(isDeepStrictEqual(value, interpreted!.decode(noise, 0, size)), `${label}, noise`);
  }
  assert.ok(count > 2000, `only ${count} structures`);
});

onKernelTypes("a list head is two pointers, a task has a name", (btf) => {
  const list = codecOf(btf, btf.find("list_head", Kind.STRUCT)!);
  assert.equal(list.decode(new Uint8Array(16).fill(1)), {
    next: 0x0101_0101_0101_0101n,
    prev: 0x0101_0101_0101_0101n,
  });
  const task = codecOf(btf, btf.find("task_struct", Kind.STRUCT)!);
  const value = task.decode(new Uint8Array(task.size)) as Record<string, unknown>;
  assert.is(value["comm"], "");
  assert.is(value["pid"], 0);
});

test.run();
