import { suite } from "uvu";
import * as assert from "uvu/assert";
import { hostLittleEndian } from "../../src/bytes.ts";
import { CollectionSpec } from "../../src/collection.ts";
import { possibleCpuList } from "../../src/sys/kernel.ts";
import { bpftool, bpftoolTest } from "../helper/bpftool.ts";
import { ebpf } from "../helper/cli.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { ebpfHere } from "../helper/in-process.ts";
import { kernelTest } from "../helper/kernel.ts";

const test = suite("cli: map");

async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await ebpfHere(["map", ...args, "--json"]);
  assert.is(code, 0, stderr);
  return JSON.parse(stdout) as T;
}

interface Listed {
  id: number;
  type: string;
  name: string;
  frozen: number;
  key?: string;
  value?: string;
  pids?: { pid: number }[];
}

interface Element {
  key: unknown;
  value?: unknown;
  values?: { cpu: number; value: unknown }[];
}

function load(name: string) {
  return CollectionSpec.fromFile(fixturePath(name)).load();
}

kernelTest(test, "list, show and dump: typed by the map's types", async () => {
  await using bpf = await load("maps.el.o");
  const { hash, percpu_array: counters } = bpf.maps;
  const id = hash!.id;
  const listed = await json<Listed[]>("list");
  const own = listed.find((one) => one.id === id)!;
  assert.equal(
    [own.type, own.name, own.key, own.value, own.frozen],
    ["hash", "hash", "struct point", "__u64", 0],
  );
  assert.ok(own.pids!.some(({ pid }) => pid === process.pid));

  (hash as unknown as Map<unknown, unknown>).set({ x: 1, y: -2 }, 2n ** 64n - 1n);
  const [element, ...others] = await json<Element[]>("dump", "id", String(id));
  assert.equal(element, { key: { x: 1, y: -2 }, value: "18446744073709551615" });
  assert.equal(others, []);
  const { stdout, stderr } = await ebpfHere(["map", "dump", String(id), "--raw"]);
  assert.match(stdout, /^"[0-9a-f]{16}" = "ffffffffffffffff"\n$/);
  assert.is(stderr, "");

  const cpus = possibleCpuList();
  (counters as unknown as Map<unknown, unknown>).set(
    3,
    cpus.map((cpu) => cpu + 7),
  );
  const elements = await json<Element[]>("dump", String(counters!.id));
  assert.is(elements.length, 8);
  assert.equal(elements[3], {
    key: 3,
    values: cpus.map((cpu) => ({ cpu, value: cpu + 7 })),
  });
});

kernelTest(test, "a data section is dumped as its variables", async () => {
  await using bpf = await load("globals.clang22.el.o");
  const [element] = await json<Element[]>("dump", String(bpf.maps[".data"]!.id));
  assert.equal(element, {
    key: 0,
    value: {
      total: 39,
      negative: -5,
      table: [1, 2, 3, 4],
      current: { limit: 2000, enabled: false, name: "changed", levels: [0, 0, 0] },
    },
  });
});

kernelTest(test, "get, set and delete: one element by its key", async () => {
  await using bpf = await load("maps.el.o");
  const id = String(bpf.maps["hash"]!.id);
  const key = '{"x":5,"y":-6}';
  const values = bpf.maps["hash"] as unknown as Map<unknown, unknown>;
  assert.is((await ebpfHere(["map", "set", id, key, "18446744073709551614"])).code, 0);
  assert.is(values.get({ x: 5, y: -6 }), 2n ** 64n - 2n);
  assert.equal(await json("get", "id", id, key), {
    key: { x: 5, y: -6 },
    value: "18446744073709551614",
  });
  const taken = await ebpfHere(["map", "set", id, key, "1", "--noexist"]);
  assert.is(taken.code, 1);
  assert.match(taken.stderr, /EEXIST/);
  const contrary = await ebpfHere(["map", "set", id, key, "1", "--noexist", "--exist"]);
  assert.is(contrary.code, 2);
  assert.match(contrary.stderr, /--noexist and --exist exclude each other/);
  for (const method of ["get", "delete"]) {
    const { code, stderr } = await ebpfHere(["map", method, id, key, "--exist"]);
    assert.is(code, 2);
    assert.match(stderr, new RegExp(`map ${method} takes neither --noexist nor --exist`));
  }
  const other = '{"x":5,"y":7}';
  assert.equal(await json("set", id, other, "1"), { key: { x: 5, y: 7 }, set: true });
  assert.equal(await json("delete", id, other), { key: { x: 5, y: 7 }, deleted: true });
  const dashed = await ebpfHere(["map", "set", id, key, "-1"]);
  assert.match(dashed.stderr, /there is no option -1; what begins with a dash stands behind --/);
  assert.is((await ebpfHere(["map", "delete", id, key])).code, 0);
  assert.is(values.get({ x: 5, y: -6 }), undefined);
  const gone = await ebpfHere(["map", "get", id, key]);
  assert.is(gone.code, 1);
  assert.match(gone.stderr, /map hash has no element \{"x":5,"y":-6\}/);
  const misfit = await ebpfHere(["map", "set", id, '{"x":5}', "1"]);
  assert.is(misfit.code, 2);
  assert.match(misfit.stderr, /\by\b/);
});

kernelTest(test, "set of a map with a value for each CPU: a list, also of bytes", async () => {
  await using bpf = await load("maps.el.o");
  const map = bpf.maps["percpu_array"]!;
  const id = String(map.id);
  const cpus = possibleCpuList();
  const values = map as unknown as Map<number, bigint[]>;
  const set = async (...words: string[]) => ebpfHere(["map", "set", id, ...words]);
  const one = await set("1", "5");
  assert.is(one.code, 2);
  const list = (text: string) => Array<string>(Math.min(cpus.length, 4)).fill(text).join(",");
  const example = `such as '\\[${list("5")}${cpus.length > 4 ? ",…" : ""}\\]'\n$`;
  assert.match(one.stderr, new RegExp(`map percpu_array: .* ${cpus.length} possible .*${example}`));
  assert.is((await set("1", JSON.stringify(cpus.map((cpu) => cpu + 5)))).code, 0);
  assert.equal(
    values.get(1)!.map(Number),
    cpus.map((cpu) => cpu + 5),
  );
  const zeros = "00".repeat(map.valueSize - 1);
  const [index, word] = hostLittleEndian ? ["01000000", `07${zeros}`] : ["00000001", `${zeros}07`];
  const raw = await set("--raw", index, word);
  if (cpus.length > 1) {
    assert.is(raw.code, 2);
    assert.match(raw.stderr, new RegExp(`is needed: write a list of them, such as ${list(word)}`));
  }
  assert.is((await set("--raw", index, cpus.map(() => word).join(","))).code, 0);
  assert.equal(values.get(1)!.map(Number), Array(cpus.length).fill(7));
  for (const words of [
    ["1", '["x"]'],
    ["99", JSON.stringify(cpus)],
    ["x", JSON.stringify(cpus)],
    ["--raw", "01", word],
    ["--raw", index, "0,1"],
  ]) {
    const { code, stderr } = await set(...words);
    assert.is(code, 2, `${words}: ${stderr}`);
  }
  const got = await ebpfHere(["map", "get", "--raw", id, index]);
  assert.is(got.code, 0, got.stderr);
});

kernelTest(test, "maps without elements to list say so", async () => {
  await using bpf = await load("maps.el.o");
  const { code, stdout, stderr } = await ebpfHere(["map", "dump", String(bpf.maps["ringbuf"]!.id)]);
  assert.is(code, 1);
  assert.is(stdout, "");
  assert.match(stderr, /list the elements of map ringbuf: a ringbuf map has none/);
});

/** As bpftool prints bytes. */
function bytes(texts: readonly string[]): string {
  return texts.map((text) => text.slice(2)).join("");
}

bpftoolTest(test, "members and bytes are bpftool's", async () => {
  await using bpf = await load("maps.el.o");
  const values = bpf.maps["hash"] as unknown as Map<unknown, unknown>;
  for (let x = 0; x < 20; x++) values.set({ x, y: -x }, BigInt(x) << 40n);
  const listed = new Map((await json<Listed[]>("list")).map((one) => [one.id, one]));
  for (const map of Object.values(bpf.maps)) {
    const theirs = bpftool("map", "show", "id", String(map.id)) as object;
    const ours = listed.get(map.id) as unknown as Record<string, unknown>;
    for (const [name, value] of Object.entries(theirs)) {
      if (name !== "pids") assert.equal(ours[name], value, `${map.name}: ${name}`);
    }
  }
  const id = String(bpf.maps["hash"]!.id);
  const ours = await json<{ key: string; value: string }[]>("dump", id, "--raw");
  const theirs = bpftool("map", "dump", "id", id) as {
    key: string[];
    value: string[];
    formatted: { key: unknown; value: unknown };
  }[];
  const sorted = (texts: string[]) => texts.sort();
  assert.equal(
    sorted(ours.map(({ key, value }) => key + value)),
    sorted(theirs.map(({ key, value }) => bytes(key) + bytes(value))),
  );
  const typed = await json<Element[]>("dump", id);
  assert.equal(
    sorted(typed.map((one) => JSON.stringify(one))),
    sorted(theirs.map(({ formatted }) => JSON.stringify(formatted))),
  );
});

test("misuse is refused by name", () => {
  const none = ebpf(["map", "get", "1"]);
  assert.is(none.code, 2);
  assert.match(none.stderr, /a map and KEY are expected/);
  const words = ebpf(["map", "dump", "id", "1", "2"]);
  assert.is(words.code, 2);
  assert.match(words.stderr, /id 1 2 is no map/);
});

test.run();
