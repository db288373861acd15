import { existsSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type BpfMap, createMap, HashMap, openMap } from "../../maps/index.ts";
import { openOrPin } from "../../maps/pinned.ts";
import { BpfError, IncompatibleMapError } from "../../src/error.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { withMount } from "../links/mounts.ts";
import { mapSpec } from "./specs.ts";

const test = suite("maps/pin");

function hasCode(code: string, message = /(?:)/): (error: unknown) => boolean {
  return (error) => error instanceof BpfError && error.code === code && message.test(error.message);
}

kernelTest(test, "a pin moves with the map and replaces nothing", () =>
  assertNothingLeft(() =>
    withMount("bpf", (folder) => {
      const [one, two, three] = ["one", "two", "three"].map((name) => join(folder, name));
      using map = createMap(mapSpec({ name: "moving" }));
      using other = createMap(mapSpec({ name: "other" }));
      map.pin(one!);
      map.pin(one!);
      map.pin(two!);
      assert.is(map.pinnedPath, two);
      assert.equal([existsSync(one!), existsSync(two!)], [false, true]);
      other.pin(three!);
      assert.throws(() => map.pin(three!), hasCode("EEXIST"));
      assert.is(map.pinnedPath, two);
      assert.ok(existsSync(two!), "it stays where it was");
      using found = openMap(three!);
      assert.is(found.id, other.id);
      other.unpin();
      map.pin(three!);
      assert.throws(() => other.pin(three!), hasCode("EEXIST"));
      map.unpin();
      map.unpin();
      other.pin(three!);
      found.unpin();
      other.unpin();
      assert.is(other.pinnedPath, undefined, "gone already is gone");
    }),
  ),
);

kernelTest(test, "a path that cannot be says why", () =>
  assertNothingLeft(() =>
    withMount("bpf", (folder) => {
      using map = createMap(mapSpec({ name: "events" }));
      const pin = (path: string) => () => map.pin(path);
      assert.throws(
        pin(join(folder, "a.b")),
        hasCode("EPERM", /pin map events .*"a\.b" has a dot/),
      );
      assert.throws(pin("/tmp/events"), hasCode("ERR_NOT_BPFFS", /mount -t bpf bpf/));
      for (const [wrong, shown] of [
        ["", '""'],
        ["a\0b", '"a\\u0000b"'],
        [undefined, "nothing"],
        [null, "null"],
        [5, "5"],
      ] as const) {
        assert.throws(
          pin(wrong as string),
          (error: unknown) =>
            (error as Error).message === `pin map events: a path is needed, not ${shown}`,
        );
      }
      assert.throws(pin(join(folder, "none/events")), hasCode("ENOENT"));
      assert.is(map.pinnedPath, undefined);
    }),
  ),
);

/** `openOrPin`, counting what it has made. */
function openOrPinCounting(
  folder: string,
  spec = mapSpec({ name: "shared" }),
  meanwhile: (attempt: number) => void = () => {},
): { map: BpfMap; created: boolean; made: number } {
  let made = 0;
  const pinned = openOrPin(spec, folder, {}, () => {
    const map = createMap(spec);
    meanwhile(++made);
    return map;
  });
  return { ...pinned, made };
}

kernelTest(test, "by name: made once, found after", () =>
  assertNothingLeft(() =>
    withMount("bpf", (mount) => {
      // The last part of the folder is made, for its owner only.
      const folder = join(mount, "mine");
      const first = openOrPinCounting(folder);
      assert.is(statSync(folder).mode & 0o777, 0o700);
      const second = openOrPinCounting(folder);
      assert.equal([first.created, second.created, second.made], [true, false, 0]);
      assert.is(second.map.id, first.map.id);
      assert.instance(second.map, HashMap);
      assert.is(second.map.pinnedPath, join(folder, "shared"));
      first.map.close();
      second.map.close();
      const third = openOrPinCounting(folder);
      assert.not.ok(third.created, "the pin keeps it");
      third.map.close();
    }),
  ),
);

kernelTest(test, "by name: whoever pins first wins, and it must be like it", () =>
  assertNothingLeft(() =>
    withMount("bpf", (folder) => {
      const path = join(folder, "shared");
      using rival = createMap(mapSpec({ name: "rival" }));
      const { map, created } = openOrPinCounting(folder, undefined, () => rival.pin(path));
      assert.equal([map.id, created], [rival.id, false]);
      map.close();
      rival.unpin();
      using wrong = createMap(mapSpec({ name: "wrong", valueSize: 4 }));
      assert.throws(
        () => openOrPinCounting(folder, undefined, () => wrong.pin(path)),
        (error: unknown) =>
          error instanceof IncompatibleMapError &&
          /the pin .*\/shared as map shared: its value size is 4, not 8; remove/.test(
            error.message,
          ),
      );
      assert.ok(existsSync(path), "the other's pin stays");
      wrong.unpin();
    }),
  ),
);

kernelTest(test, "by name: what comes and goes is looked for again, not forever", () =>
  assertNothingLeft(() =>
    withMount("bpf", (folder) => {
      const spec = mapSpec({ name: "shared" });
      using rival = createMap(spec);
      let made = 0;
      const create = (): BpfMap => {
        const map = createMap(spec);
        made++;
        // The rival's pin is there whenever the map is to be pinned, and gone when it is looked for.
        map.pin = (path) => {
          rival.pin(path);
          try {
            HashMap.prototype.pin.call(map, path);
          } finally {
            rival.unpin();
          }
        };
        return map;
      };
      assert.throws(() => openOrPin(spec, folder, {}, create), hasCode("EEXIST"));
      assert.is(made, 8);
      const folderInPlace = join(folder, "shared");
      mkdirSync(folderInPlace);
      assert.throws(() => openOrPinCounting(folder), hasCode("EACCES"));
    }),
  ),
);

kernelTest(test, "by name: where it cannot be", () =>
  assertNothingLeft(() =>
    withMount("bpf", (folder) => {
      const named = (name: string) => () => openOrPinCounting(folder, mapSpec({ name }));
      assert.throws(named(".rodata"), hasCode("ERR_PIN_NAME", /has a dot.*such as "_rodata"/));
      assert.throws(named("a/b"), hasCode("ERR_PIN_NAME", /slash.* "a_b"/));
      assert.throws(named(""), hasCode("ERR_PIN_NAME"));
      assert.throws(named("ü".repeat(128)), hasCode("ERR_PIN_NAME", /256 bytes/));
      assert.throws(() => openOrPinCounting("/tmp"), hasCode("ERR_NOT_BPFFS", /mount -t bpf/));
      const elsewhere = `/tmp/ebpf_no_such_folder_${process.pid}`;
      assert.throws(() => openOrPinCounting(elsewhere), hasCode("ERR_NOT_BPFFS"));
      assert.not.ok(existsSync(elsewhere), "no folder is made elsewhere");
      assert.throws(() => openOrPinCounting(join(folder, "a/b")), hasCode("ENOENT", /folder/));
      assert.throws(() => openOrPinCounting(join(folder, "a.b")), hasCode("EPERM", /a\.b/));
    }),
  ),
);

test.run();
