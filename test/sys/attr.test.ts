import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Btf } from "../../btf/btf.ts";
import { Kind, resolve, sizeOf } from "../../btf/index.ts";
import * as attr from "../../src/sys/attr.ts";
import { BTF_INFO } from "../../src/sys/btf-object.ts";
import { kernelBtf } from "../../src/sys/kernel-btf.ts";
import {
  PERF_EVENT_ATTR,
  PERF_EVENT_BIT,
  PerfSample,
  PerfSoftware,
  PerfType,
} from "../../src/sys/perf.ts";
import type { Layout } from "../../src/sys/struct.ts";
import { kernelTest } from "../helper/kernel.ts";

const test = suite("sys/attr");

/** Place of a member: offset and size in bits. */
type Place = readonly [offset: number, size: number];

/**
 * The members of a structure by name, with those of anonymous members, and with `outer.inner` for
 * named structures.
 */
function places(btf: Btf, id: number, base = 0, prefix = ""): Map<string, Place> {
  const found = new Map<string, Place>();
  const type = btf.type(resolve(btf, id));
  if (type.kind !== Kind.STRUCT && type.kind !== Kind.UNION) return found;
  for (const member of type.members) {
    const offset = base + member.bitOffset;
    const size = member.bitSize || sizeOf(btf, member.type) * 8;
    if (member.name !== "") found.set(prefix + member.name, [offset, size]);
    const inner = member.name === "" ? prefix : `${prefix}${member.name}.`;
    for (const [name, place] of places(btf, member.type, offset, inner)) {
      if (!found.has(name)) found.set(name, place);
    }
  }
  return found;
}

/**
 * The part of `union bpf_attr` for a command: a member's name, or a name inside an anonymous
 * structure.
 */
function attrMember(btf: Btf, name: string, anonymous: boolean): Map<string, Place> | undefined {
  const id = btf.find("bpf_attr", Kind.UNION);
  assert.type(id, "number");
  const union = btf.type(id as number);
  if (union.kind !== Kind.UNION) throw new Error("no union");
  for (const member of union.members) {
    if (anonymous ? member.name !== "" : member.name !== name) continue;
    const inner = places(btf, member.type);
    if (!anonymous || inner.has(name)) return inner;
  }
  return undefined;
}

/**
 * Compares a table with the members of the kernel. What an older kernel lacks must lie behind what
 * it has, or be a later name for something that it has.
 */
function compare(table: Layout, members: Map<string, Place>, of: string): number {
  let compared = 0;
  const end = Math.max(...[...members.values()].map(([offset, size]) => offset + size));
  for (const [name, [offset, size]] of Object.entries(table)) {
    const place = members.get(name);
    if (place === undefined) {
      const isAlias = [...members.values()].some(
        ([at, bits]) => at === offset * 8 && bits === size * 8,
      );
      const isNewer = offset * 8 >= end - 32 || of === "link_create";
      assert.ok(isAlias || isNewer, `${of}.${name} is not in the kernel's ${end / 8} bytes`);
      continue;
    }
    assert.equal([offset * 8, size * 8], place, `${of}.${name}`);
    compared++;
  }
  return compared;
}

const ANONYMOUS: readonly [Layout, string][] = [
  [attr.MAP_CREATE, "map_type"],
  [attr.MAP_ELEM, "key"],
  [attr.PROG_LOAD, "prog_type"],
  [attr.OBJ, "pathname"],
  [attr.PROG_ATTACH, "attach_bpf_fd"],
  [attr.GET_ID, "start_id"],
  [attr.BTF_LOAD, "btf_log_buf"],
];
const NAMED: readonly [Layout, string][] = [
  [attr.MAP_BATCH, "batch"],
  [attr.PROG_TEST_RUN, "test"],
  [attr.OBJ_INFO, "info"],
  [attr.PROG_QUERY, "query"],
  [attr.RAW_TRACEPOINT, "raw_tracepoint"],
  [attr.TASK_FD_QUERY, "task_fd_query"],
  [attr.LINK_CREATE, "link_create"],
  [attr.LINK_CREATE_KIND, "link_create"],
  [attr.LINK_UPDATE, "link_update"],
  [attr.LINK_DETACH, "link_detach"],
  [attr.ENABLE_STATS, "enable_stats"],
  [attr.ITER_CREATE, "iter_create"],
  [attr.PROG_BIND_MAP, "prog_bind_map"],
  [attr.TOKEN_CREATE, "token_create"],
  [attr.PROG_STREAM_READ, "prog_stream_read"],
];

kernelTest(test, "offsets of union bpf_attr are the kernel's", () => {
  const btf = kernelBtf();
  let compared = 0;
  for (const [table, name] of ANONYMOUS) {
    const members = attrMember(btf, name, true);
    assert.ok(members, name);
    compared += compare(table, members as Map<string, Place>, name);
  }
  for (const [table, name] of NAMED) {
    const members = attrMember(btf, name, false);
    // Commands that came after the first kernels of our range: 6.9 and 6.17.
    if (members === undefined) assert.ok(["token_create", "prog_stream_read"].includes(name), name);
    else compared += compare(table, members, name);
  }
  assert.ok(compared > 90, `${compared} rows compared`);
});

kernelTest(test, "every table of attr.ts is compared", () => {
  const tables = new Set<unknown>([...ANONYMOUS, ...NAMED].map(([table]) => table));
  for (const [name, value] of Object.entries(attr)) {
    if (name !== "BpfCommand") assert.ok(tables.has(value), name);
  }
});

/** The values of all enumerators whose names begin with `prefix`, of any enumeration. */
function enumerators(btf: Btf, enumName: string): Map<string, number> {
  const id = btf.find(enumName, Kind.ENUM);
  assert.type(id, "number", enumName);
  const type = btf.type(id as number);
  if (type.kind !== Kind.ENUM) throw new Error(`${enumName} is no enum`);
  return new Map(type.values.map(({ name, value }) => [name, value]));
}

kernelTest(test, "numbers of commands and of perf's enumerations are the kernel's", () => {
  const btf = kernelBtf();
  const commands = enumerators(btf, "bpf_cmd");
  for (const [name, value] of Object.entries(attr.BpfCommand)) {
    const known = commands.get(`BPF_${name}`);
    if (known === undefined) assert.ok(value > (commands.get("BPF_LINK_DETACH") ?? 0), name);
    else assert.is(value, known, name);
  }
  for (const [table, prefix, enumName] of [
    [PerfType, "PERF_TYPE_", "perf_type_id"],
    [PerfSoftware, "PERF_COUNT_SW_", "perf_sw_ids"],
    [PerfSample, "PERF_SAMPLE_", "perf_event_sample_format"],
  ] as const) {
    const values = enumerators(btf, enumName);
    for (const [name, value] of Object.entries(table)) {
      const known = values.get(prefix + name);
      if (known !== undefined) assert.is(value, known, name);
      else assert.is(name, "CGROUP_SWITCHES");
    }
  }
});

kernelTest(test, "struct perf_event_attr and its bits are the kernel's", () => {
  const btf = kernelBtf();
  const members = places(btf, btf.find("perf_event_attr", Kind.STRUCT) ?? 0);
  const { disabled: _, ...fields } = PERF_EVENT_ATTR;
  assert.is(compare(fields, members, "perf_event_attr"), Object.keys(fields).length);
  const [word] = PERF_EVENT_ATTR.disabled;
  for (const [name, bit] of Object.entries(PERF_EVENT_BIT)) {
    assert.equal(members.get(name), [word * 8 + bit, 1], name);
  }
});

kernelTest(test, "struct bpf_btf_info is the kernel's", () => {
  const btf = kernelBtf();
  const members = places(btf, btf.find("bpf_btf_info", Kind.STRUCT) ?? 0);
  for (const [name, offset] of Object.entries(BTF_INFO)) {
    const place = members.get(name);
    // Linux 5.11 added the name and what follows.
    if (place === undefined) assert.ok(offset >= BTF_INFO.name, name);
    else assert.is(place[0], offset * 8, name);
  }
});

test.run();
