import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BpfError } from "../../src/error.ts";
import { parseConfig, readKernelConfig } from "../../src/externs/kernel-config.ts";
import { inFolder } from "../helper/folder.ts";

const test = suite("externs/kernel-config");

const TEXT = `#
# Linux/x86 6.1.0 Kernel Configuration
#
CONFIG_HZ=250
CONFIG_HZ=1000
# CONFIG_ABSENT is not set
CONFIG_TEXT="a=b # \\"c\\""
 CONFIG_INDENTED=y
NOT_CONFIG_X=y
CONFIG_LAST=m`;

function refusal(message: RegExp): (error: unknown) => boolean {
  return (error) =>
    error instanceof BpfError && error.code === "ERR_EXTERN" && message.test(error.message);
}

test("gives the first value of each wanted option, as it is written", () => {
  const wanted = ["HZ", "ABSENT", "TEXT", "INDENTED", "X", "LAST"].map((name) => `CONFIG_${name}`);
  assert.equal(Object.fromEntries(parseConfig({ source: "test", text: TEXT }, new Set(wanted))), {
    CONFIG_HZ: "250",
    CONFIG_TEXT: '"a=b # \\"c\\""',
    CONFIG_LAST: "m",
  });
});

test("an option without a value is refused with its line", () => {
  for (const line of ["CONFIG_X", "CONFIG_X=", "CONFIG_"]) {
    assert.throws(
      () => parseConfig({ source: "a file", text: `\n${line}\nCONFIG_Y=y\n` }, new Set()),
      refusal(/line 2 of a file gives no value: CONFIG_/),
    );
  }
});

test("the first file that is there is read, compressed or not", () => {
  inFolder((folder) => {
    const [absent, zipped, plain] = ["absent", "config.gz", "config"].map((name) =>
      join(folder, name),
    );
    writeFileSync(zipped!, gzipSync(TEXT));
    writeFileSync(plain!, "CONFIG_HZ=100\n");
    assert.equal(readKernelConfig([], [absent!, zipped!, plain!]), { source: zipped, text: TEXT });
    assert.equal(readKernelConfig([], [absent!, plain!]).text, "CONFIG_HZ=100\n");
  });
});

test("bytes above ASCII pass through", () => {
  inFolder((folder) => {
    const path = join(folder, "config");
    writeFileSync(path, Uint8Array.of(0x43, 0xff, 0xc3, 0xa4));
    assert.is(readKernelConfig([], [path]).text, "C\xff\xc3\xa4");
  });
});

test("without a file the error names options and places", () => {
  const names = ["CONFIG_A", "CONFIG_B", "CONFIG_C", "CONFIG_D", "CONFIG_E"];
  assert.throws(
    () => readKernelConfig(names, ["/nonexistent/one", "/nonexistent/two"]),
    refusal(
      /asks for CONFIG_A, CONFIG_B, CONFIG_C and 2 more, .*\/nonexistent\/one \(ENOENT\) and \/nonexistent\/two \(ENOENT\); option kconfig/,
    ),
  );
});

test("a damaged or exploding file is an error, not a guess", () => {
  inFolder((folder) => {
    const path = join(folder, "config.gz");
    writeFileSync(path, gzipSync(TEXT).subarray(0, 60));
    assert.throws(() => readKernelConfig([], [path]), refusal(/cannot be decompressed/));
    writeFileSync(path, gzipSync(Buffer.alloc(0x0500_0000)));
    assert.throws(() => readKernelConfig([], [path]), refusal(/cannot be decompressed/));
  });
});

test.run();
