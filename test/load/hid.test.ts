/**
 * HID-BPF on a device of the test's own, which the kernel's uhid makes. Kernels for virtual machines have neither; the matrix has one
 * that is for machines, too.
 */

import { closeSync, existsSync, openSync, readdirSync, writeSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { StructOpsMap } from "../../maps/index.ts";
import { viewOf } from "../../src/bytes.ts";
import { CollectionSpec } from "../../src/collection.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { eventually } from "../helper/process.ts";

const test = suite("load: hid");
const DEVICES = "/sys/bus/hid/devices";
/** Two bytes of a vendor's own, in and nothing else. */
const REPORTS = "0600ff0901a101150026ff007508950209018102c0";
/** include/uapi/linux/uhid.h; the places of members in `struct uhid_create2_req`, behind the type. */
const UHID_CREATE2 = 11;
const UHID_INPUT2 = 12;
const CREATE2 = { name: 4, size: 260, bus: 262, vendor: 264, product: 268, data: 280 };
/** `BUS_VIRTUAL`; vendor and product for tests, of https://pid.codes. */
const DEVICE = { bus: 6, vendor: 0x1209, product: 1 };

/** An input device that reports what it is told to. */
class InputDevice implements Disposable {
  readonly #fd: number;

  constructor() {
    this.#fd = openSync("/dev/uhid", "r+");
    const descriptor = Buffer.from(REPORTS, "hex");
    const event = new Uint8Array(CREATE2.data + descriptor.length);
    const view = viewOf(event);
    view.setUint32(0, UHID_CREATE2, true);
    event.set(Buffer.from("ebpf test"), CREATE2.name);
    view.setUint16(CREATE2.size, descriptor.length, true);
    view.setUint16(CREATE2.bus, DEVICE.bus, true);
    view.setUint32(CREATE2.vendor, DEVICE.vendor, true);
    view.setUint32(CREATE2.product, DEVICE.product, true);
    event.set(descriptor, CREATE2.data);
    writeSync(this.#fd, event);
  }

  /** Its number, once it has a driver. */
  async number(): Promise<number> {
    const place = (): string | undefined =>
      readdirSync(DEVICES).find((name) => name.startsWith("0006:1209:0001."));
    assert.ok(await eventually(() => existsSync(`${DEVICES}/${place()}/driver`)));
    return Number.parseInt(place()!.split(".")[1]!, 16);
  }

  report(...data: number[]): void {
    const event = new Uint8Array(6 + data.length);
    viewOf(event).setUint32(0, UHID_INPUT2, true);
    viewOf(event).setUint16(4, data.length, true);
    event.set(data, 6);
    writeSync(this.#fd, event);
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

interface Tables {
  programs: Record<"on_init" | "on_running" | "on_exit" | "on_report", unknown>;
  maps: Record<"scheduler" | "device", StructOpsMap>;
  variables: { starts: bigint; switches: bigint; ends: bigint; reports: bigint };
}

kernelTest(
  test,
  "reports of one device are seen as long as the table has its link",
  {
    needs: "HID-BPF and uhid",
    since: "6.11",
    config: ["CONFIG_HID_BPF", "CONFIG_UHID"],
    module: ["uhid", "hid_generic"],
  },
  async () => {
    using device = new InputDevice();
    const number = await device.number();
    await assertNothingLeft(async () => {
      const spec = CollectionSpec.fromFile<Tables>(fixturePath("tables.el.o"));
      spec.maps.scheduler.autocreate = false;
      for (const [name, program] of Object.entries(spec.programs)) {
        program.autoload = name === "on_report";
      }
      spec.maps.device.structOps!.members["hid_id"] = number;
      await using bpf = await spec.load();
      const { reports } = bpf.variables;
      {
        await using links = bpf.attach();
        assert.equal([...links.byMap.keys()], ["device"]);
        device.report(1, 2);
        device.report(3, 4);
        assert.is(reports.get(), 2n);
      }
      device.report(5, 6);
      assert.is(reports.get(), 2n);
    });
  },
);

test.run();
