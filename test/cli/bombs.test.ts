/**
 * Small compressed files that unpack to very much, and objects that ask for very much: refused, or read within 500 megabytes.
 */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Kind } from "../../btf/index.ts";
import { info, rawBtf } from "../btf/raw.ts";
import { Types } from "../co-re/cases.ts";
import { buildObject } from "../co-re/object-builder.ts";
import { ebpf } from "../helper/cli.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { kernel, move, struct } from "../report/objects.ts";

const bombs = suite("cli: compressed files that claim much");

const MEGABYTE = 1 << 20;
/** Says at the end of a process how much memory it took. */
const REPORT =
  "process.on('exit', () => " +
  "process.stderr.write('megabytes: ' + Math.round(process.resourceUsage().maxRSS / 1024)));";
const WATCH = ["--import", `data:text/javascript,${encodeURIComponent(REPORT)}`];

function withFile(
  name: string,
  bytes: Uint8Array,
  body: (outcome: ReturnType<typeof ebpf>, path: string) => void,
): void {
  const folder = mkdtempSync(join(tmpdir(), "ebpf-test-"));
  try {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    const outcome = ebpf(["check", fixturePath("core-fields.el.o"), "--btf", path], WATCH);
    const megabytes = Number(/megabytes: (\d+)$/.exec(outcome.stderr)?.[1]);
    assert.ok(megabytes < 500, `${name}, ${bytes.length} bytes: ${megabytes} megabytes`);
    body(outcome, path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function refused({ code, stderr }: ReturnType<typeof ebpf>, path: string): void {
  assert.is(code, 1);
  assert.match(stderr, /^ebpf check: [^\n]+ it cannot be unpacked[^\n]*\nmegabytes/);
  assert.ok(stderr.includes(path));
}

bombs("what unpacks to a gigabyte is refused", () => {
  // Parts of a gzip file may follow each other.
  const part = gzipSync(new Uint8Array(16 * MEGABYTE));
  withFile("zeros.btf.gz", Buffer.concat(Array(64).fill(part)), refused);
  const options = { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } };
  withFile("zeros.btf.br", brotliCompressSync(new Uint8Array(256 * MEGABYTE), options), refused);
});

bombs("the most that is unpacked is read within bounds", () => {
  const strings = "\0task_struct\0";
  const types = Array.from({ length: 100_000 }, () => [1, info(Kind.STRUCT), 0]).flat();
  const words = new Uint8Array(Uint32Array.from(types).buffer);
  const count = 83;
  const typeLength = words.length * count;
  const header = rawBtf({
    strings: "\0",
    header: { typeLength, stringOffset: typeLength, stringLength: 13 },
  });
  const parts = [header.subarray(0, 24), ...Array(count).fill(words), Buffer.from(strings)];
  const [first, middle, last] = [parts[0]!, words, parts.at(-1)!].map((part) => gzipSync(part));
  const file = Buffer.concat([first!, ...Array(count).fill(middle), last!]);
  assert.ok(file.length < MEGABYTE, `${file.length} bytes`);
  withFile("types.btf.gz", file, ({ code, stdout, stderr }) => {
    assert.is(code, 1, stderr);
    assert.match(stdout, /more than 100000 types of the name task_struct/);
  });
});

bombs(
  "hundreds of thousands of rows are told within bounds, and an object that asks for more is an error",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "ebpf-test-"));
    try {
      const kernels = [0, 1, 2, 3].map((at) => join(folder, `${at}.btf`));
      for (const [at, path] of kernels.entries()) {
        writeFileSync(path, kernel(struct(4, at * 4)).btf);
      }
      const path = join(folder, "large.o");
      const told = (programs: number): ReturnType<typeof ebpf> => {
        writeFileSync(path, asking(4000, programs));
        return ebpf(["check", path, "--btf", ...kernels, "--markdown", "-"], WATCH);
      };
      const large = told(32);
      assert.is(large.code, 0, large.stderr);
      assert.match(large.stdout, /^## CO-RE relocation: ok\n/);
      const megabytes = Number(/megabytes: (\d+)$/.exec(large.stderr)?.[1]);
      assert.ok(megabytes < 500, `${megabytes} megabytes`);
      const larger = told(33);
      assert.is(larger.code, 1);
      assert.match(larger.stdout, /large\.o: its programs have 132000 CO-RE relocations/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

/** An object that asks `count` times for a field, in each of its programs. */
function asking(count: number, programs: number): Uint8Array {
  const types = new Types();
  const type = struct(4, 0)(types);
  const code = Buffer.concat(Array(count).fill(move));
  const relocations = Array.from({ length: count }, (_, slot) => {
    return { slot, type, accessor: "0:0", kind: 0 };
  });
  return buildObject(
    types.builder,
    Array.from({ length: programs }, (_, at) => {
      return { name: `p${at}`, instructions: code, relocations };
    }),
  );
}

bombs.run();
