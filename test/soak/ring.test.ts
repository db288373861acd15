import { suite } from "uvu";
import * as assert from "uvu/assert";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { hostTest } from "../helper/kernel.ts";
import { soakRing } from "./ring.ts";

const test = suite("soak/ring");

hostTest(test, "12 GiB through one ring: every record once, whole and in order", async () => {
  await assertNothingLeft(async () => {
    const { records, bytes } = await soakRing(12);
    assert.ok(bytes >= 12 * 2 ** 30 && records > 300_000, `${records} records, ${bytes} bytes`);
  });
});

test.run();
