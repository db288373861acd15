import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { probeUnit } from "../../links/pmu.ts";
import { UnsupportedError } from "../../src/error.ts";

const test = suite("links/pmu");

function withUnit(files: Record<string, string>, use: (devices: string) => void): void {
  const devices = mkdtempSync(join(tmpdir(), "ebpf-pmu-"));
  try {
    mkdirSync(join(devices, "uprobe/format"), { recursive: true });
    for (const [name, text] of Object.entries(files)) {
      writeFileSync(join(devices, "uprobe", name), text);
    }
    use(devices);
  } finally {
    rmSync(devices, { recursive: true });
  }
}

test("reads type, return bit and place of the reference counter", () => {
  const files = {
    type: "8\n",
    "format/retprobe": "config:0\n",
    "format/ref_ctr_offset": "config:32-63\n",
  };
  withUnit(files, (devices) => {
    assert.equal(probeUnit("uprobe", devices), {
      type: 8,
      retprobe: 1n,
      refCtrOffset: { shift: 32n, bits: 32n },
    });
  });
});

test("takes the bits from the files, not from memory", () => {
  const files = {
    type: "17",
    "format/retprobe": "config:5",
    "format/ref_ctr_offset": "config:8-47",
  };
  withUnit(files, (devices) => {
    assert.equal(probeUnit("uprobe", devices), {
      type: 17,
      retprobe: 32n,
      refCtrOffset: { shift: 8n, bits: 40n },
    });
  });
});

test("knows kernels without reference counters", () => {
  withUnit({ type: "8", "format/retprobe": "config:0" }, (devices) => {
    assert.is(probeUnit("uprobe", devices).refCtrOffset, undefined);
  });
});

test("says what is missing or not understood", () => {
  const isUnsupported = (since: string | undefined) => (error: unknown) =>
    error instanceof UnsupportedError &&
    error.since === since &&
    error.feature === "uprobe perf events";
  withUnit({}, (devices) => {
    assert.throws(() => probeUnit("uprobe", devices), isUnsupported("4.17"));
    assert.throws(() => probeUnit("kprobe", devices), /CONFIG_KPROBE_EVENTS/);
  });
  for (const files of [
    { type: "x", "format/retprobe": "config:0" },
    { type: "8", "format/retprobe": "config1:0" },
    { type: "8", "format/retprobe": "config:64" },
  ]) {
    withUnit(files, (devices) => {
      assert.throws(() => probeUnit("uprobe", devices), isUnsupported(undefined));
    });
  }
});

test.run();
