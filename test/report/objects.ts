/**
 * Small objects and kernels for tests of reports.
 *
 * @module
 */

import { type CheckReport, check } from "../../src/report/index.ts";
import { parseObject } from "../../src/spec/index.ts";
import { Types } from "../co-re/cases.ts";
import { buildObject, instruction } from "../co-re/object-builder.ts";

/** A move into r1, whose number relocation changes. */
export const move: Uint8Array = instruction(0xb7, 1, 0, 0);

/** The bytes of an object whose only program has one relocation. */
export function smallBytes(
  local: (types: Types) => number,
  kind: number,
  code: Uint8Array,
  accessor = "0:0",
  name = "test",
): Uint8Array {
  const types = new Types();
  const type = local(types);
  const relocations = [{ slot: 0, type, accessor, kind }];
  return buildObject(types.builder, [{ name, instructions: code, relocations }]);
}

/** The same, read. */
export function smallObject(
  ...args: Parameters<typeof smallBytes>
): ReturnType<typeof parseObject> {
  return parseObject(smallBytes(...args));
}

/** `struct s { <bytes> a; }` with `a` at an offset. */
export const struct =
  (bytes: number, offset: number, names: { struct?: string; member?: string } = {}) =>
  (types: Types): number => {
    const member = [names.member ?? "a", types.int(bytes), offset * 8] as const;
    return types.struct(names.struct ?? "s", 64, [...member]);
  };

/** A kernel with these types. */
export function kernel(...add: ((types: Types) => unknown)[]): { name: string; btf: Uint8Array } {
  const types = new Types();
  for (const one of add) one(types);
  return { name: "kernel", btf: types.builder.bytes() };
}

/** What hostile objects are called. */
export const HOSTILE =
  "a<b>&\"'|`[x](http://y)]]>\u001b[31m\n\u0007\u202e\u2028</script><!--\ud800*_#@you\\";

/** A report of an object whose names are hostile, on a kernel that has its field and one that has not. */
export function hostileReport(): CheckReport {
  const hostile = struct(4, 0, { struct: HOSTILE, member: HOSTILE });
  const spec = smallObject(hostile, 0, move);
  const found = check(spec, [
    { ...kernel(hostile), name: `good ${HOSTILE}` },
    { ...kernel(), name: `bad ${HOSTILE}` },
  ]);
  const source = { file: `${HOSTILE}.c`, line: 7, text: `x = ${HOSTILE};` };
  return {
    ...found,
    objects: found.objects.map((object) => ({ file: `${HOSTILE}.o`, ...object })),
    rows: found.rows.map((row) => ({ ...row, program: HOSTILE, section: HOSTILE, source })),
  };
}

/** A report of one object on three kernels: it fits the first, and the others lack its field. */
export function threeKernels(file = "tools/a.o"): CheckReport {
  const found = check(smallObject(struct(4, 0), 0, move), [
    { ...kernel(struct(4, 8)), name: "good" },
    { ...kernel(), name: "bad" },
    { ...kernel(), name: "worse" },
  ]);
  return { ...found, objects: found.objects.map((object) => ({ file, ...object })) };
}
