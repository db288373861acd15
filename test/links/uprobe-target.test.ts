import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parseUprobeSection, parseUprobeTarget } from "../../links/uprobe-target.ts";
import { isTarget } from "./errors.ts";

const test = suite("links/uprobe-target");

test("parses path, symbol and offset", () => {
  for (const [text, expected] of [
    ["/bin/bash:readline", { path: "/bin/bash", symbol: "readline", offset: 0 }],
    ["libc.so.6:malloc+0x10", { path: "libc.so.6", symbol: "malloc", offset: 16 }],
    ["libc.so.6:malloc+16", { path: "libc.so.6", symbol: "malloc", offset: 16 }],
    ["libc.so.6:malloc+010", { path: "libc.so.6", symbol: "malloc", offset: 8 }],
    ["/proc/1/root/x:f@@V_2+1", { path: "/proc/1/root/x", symbol: "f@@V_2", offset: 1 }],
    ["/x:0x401136", { path: "/x", address: 0x401136n, offset: 0 }],
    ["/x:0x401136+4", { path: "/x", address: 0x401136n, offset: 4 }],
    ["/x:type:.eq.main.T", { path: "/x", symbol: "type:.eq.main.T", offset: 0 }],
    ["/x:operator+", { path: "/x", symbol: "operator+", offset: 0 }],
    ["/x:a+b", { path: "/x", symbol: "a+b", offset: 0 }],
    ["./x y:main.(*T).f", { path: "./x y", symbol: "main.(*T).f", offset: 0 }],
  ] as const) {
    assert.equal(parseUprobeTarget(text), expected, text);
  }
});

test("refuses texts that name no place", () => {
  for (const text of [
    "",
    ":",
    "/bin/bash",
    "/bin/bash:",
    ":readline",
    "/x:+4",
    "/x:f+0xffffffffffffff",
  ]) {
    assert.throws(() => parseUprobeTarget(text), isTarget("ERR_TARGET"), text);
  }
});

test("parses section names", () => {
  const target = { path: "/bin/bash", symbol: "readline", offset: 0 };
  for (const [section, retprobe] of [
    ["uprobe//bin/bash:readline", false],
    ["uprobe.s//bin/bash:readline", false],
    ["?uretprobe//bin/bash:readline", true],
    ["uretprobe.s//bin/bash:readline", true],
  ] as const) {
    assert.equal(parseUprobeSection(section), { retprobe, target }, section);
  }
  for (const section of ["uprobe", "uprobe/", "uprobe.s"]) {
    assert.equal(parseUprobeSection(section), { retprobe: false, target: undefined }, section);
  }
  for (const section of ["kprobe/f", "uprobes", "uprobe.multi/x:y", "uprobe/libc.so.6", ""]) {
    assert.throws(() => parseUprobeSection(section), isTarget("ERR_TARGET"), section);
  }
});

test.run();
