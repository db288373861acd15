import { existsSync, readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Btf, Kind } from "../btf/index.ts";
import { kernelBtf } from "../src/sys/kernel-btf.ts";
import {
  AttachType,
  LinkType,
  MapFlags,
  MapType,
  nameOf,
  ProgramFlags,
  ProgramType,
  UpdateFlags,
} from "../src/uapi.ts";
import { kernelTest } from "./helper/kernel.ts";

const test = suite("uapi");

function valuesOf(btf: Btf, id: number): Map<string, number> {
  const type = btf.type(id);
  if (type.kind !== Kind.ENUM) throw new Error(`type ${id} is no enum`);
  return new Map(type.values.map(({ name, value }) => [name, value]));
}

/**
 * Every number of `table` against an enumeration; what the kernel does not have must lie beyond its
 * last.
 */
function compare(
  table: Record<string, number>,
  prefix: string,
  values: ReadonlyMap<string, number>,
  end: string,
): void {
  const last = values.get(end);
  assert.type(last, "number", end);
  let compared = 0;
  for (const [name, value] of Object.entries(table)) {
    const known = values.get(prefix + name);
    if (known === undefined) {
      assert.ok(value >= (last ?? 0), `${prefix}${name} is ${value}, the kernel ends at ${last}`);
    } else {
      assert.is(value, known, prefix + name);
      compared++;
    }
  }
  assert.is(compared, Math.min(last ?? 0, Object.keys(table).length), `${prefix} compared`);
}

kernelTest(test, "types of maps, programs, attachments and links are the kernel's", () => {
  const btf = kernelBtf();
  const named = (name: string) => valuesOf(btf, btf.find(name, Kind.ENUM) ?? 0);
  const maps = new Map(named("bpf_map_type"));
  // The last map type's number is not an enumerator on kernels before 6.9.
  maps.set("end", maps.get("__MAX_BPF_MAP_TYPE") ?? Math.max(...maps.values()) + 1);
  compare(MapType, "BPF_MAP_TYPE_", maps, "end");
  const programs = new Map(named("bpf_prog_type"));
  programs.set("end", programs.get("__MAX_BPF_PROG_TYPE") ?? Math.max(...programs.values()) + 1);
  compare(ProgramType, "BPF_PROG_TYPE_", programs, "end");
  compare(AttachType, "BPF_", named("bpf_attach_type"), "__MAX_BPF_ATTACH_TYPE");
  const links = new Map(named("bpf_link_type"));
  links.set("end", links.get("__MAX_BPF_LINK_TYPE") ?? links.get("MAX_BPF_LINK_TYPE") ?? 0);
  compare(LinkType, "BPF_LINK_TYPE_", links, "end");
});

/** The enumeration without a name that has this enumerator. */
function anonymousEnum(btf: Btf, enumerator: string): Map<string, number> {
  for (let id = 1; id < btf.typeCount; id++) {
    if (btf.kind(id) !== Kind.ENUM || btf.name(id) !== "") continue;
    const values = valuesOf(btf, id);
    if (values.has(enumerator)) return values;
  }
  throw new Error(`no enumeration has ${enumerator}`);
}

kernelTest(test, "flags are the kernel's", () => {
  const btf = kernelBtf();
  const update = anonymousEnum(btf, "BPF_NOEXIST");
  for (const [name, value] of Object.entries(UpdateFlags)) {
    const known = update.get(`BPF_${name}`) ?? update.get(`BPF_F_${name}`);
    if (known === undefined)
      assert.ok(value > Math.max(...update.values()), `${name} is not there`);
    else assert.is(value, known, name);
  }
  assert.ok(update.size >= 4);
  const create = anonymousEnum(btf, "BPF_F_NO_PREALLOC");
  const end = Math.max(...create.values());
  for (const [name, value] of Object.entries(MapFlags)) {
    const known = create.get(`BPF_F_${name}`);
    if (known === undefined) assert.ok(value > end, `${name} is not in the kernel`);
    else assert.is(value, known, name);
  }
  assert.ok(create.size >= 13);
});

test("flags of program loading are the header's, where it is installed", () => {
  // They are macros, which BTF does not know.
  const shifts = [0, 1, 2, 3, 4, 5, 6, 7];
  assert.equal(
    Object.values(ProgramFlags),
    shifts.map((shift) => 2 ** shift),
  );
  const header = "/usr/include/linux/bpf.h";
  if (!existsSync(header)) return;
  const text = readFileSync(header, "utf8");
  for (const [name, value] of Object.entries(ProgramFlags)) {
    const macro = new RegExp(`#define\\s+BPF_F_${name}\\s+\\(1U << (\\d+)\\)`).exec(text);
    if (macro !== null) assert.is(value, 2 ** Number(macro[1]), name);
  }
});

test("numbers have names, and those without say so", () => {
  assert.is(nameOf(MapType, 27), "ringbuf");
  assert.is(nameOf(MapType, 999), "unknown(999)");
});

test.run();
