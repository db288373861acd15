/**
 * Members that a spec cannot have are refused when it is loaded, before anything is done.
 */

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CollectionSpec } from "../../src/collection.ts";
import { requireKnownMembers } from "../../src/spec/known-members.ts";
import { fixturePath } from "../helper/fixtures.ts";

const test = suite("spec/known-members");

const globals = () => CollectionSpec.fromFile(fixturePath("globals.el.o"));

/** Any change that plain JavaScript allows, and what loading says of it. */
const WRONG: readonly [change: (spec: CollectionSpec) => void, message: RegExp][] = [
  [
    ({ maps }) => Object.assign(maps[".bss"], { max_entries: 1 }),
    /^load an object: spec\.maps\.\.bss has no member "max_entries"; did you mean "maxEntries"\?$/,
  ],
  [
    ({ maps }) => Object.assign(maps[".bss"], { pinPath: "/sys/fs/bpf/x" }),
    /has no member "pinPath"; there are name, section, type, /,
  ],
  [
    ({ maps }) => {
      maps[".bss"].inner = { ...maps[".bss"], valuesize: 4 };
    },
    /spec\.maps\.\.bss\.inner has no member "valuesize"; did you mean "valueSize"/,
  ],
  [
    ({ programs }) => Object.assign(Object.values(programs)[0], { autoLoad: false }),
    /^load an object: spec\.programs\.\w+ has no member "autoLoad"; did you mean "autoload"\?$/,
  ],
  [
    (spec) => Object.assign(spec, { licence: "GPL" }),
    /the spec has no member "licence"; did you mean "license"/,
  ],
  [
    ({ variables }) => {
      variables["total"] = 5n;
    },
    /^load an object: spec\.variables\.total is 5n, not the spec of a variable; spec\.variables\.total\.set\(…\)/,
  ],
  [
    ({ variables }) => Object.assign(variables["total"], { value: 5n }),
    /^load an object: spec\.variables\.total has no member "value"; spec\.variables\.total\.set/,
  ],
  [
    ({ maps }) => Object.assign(maps, { lost: undefined }),
    /spec\.maps\.lost is nothing, not an object/,
  ],
];

test("what nothing would come of is refused, with what may have been meant", async () => {
  requireKnownMembers(globals());
  for (const [change, message] of WRONG) {
    const spec = globals();
    change(spec);
    const refused = (error: unknown) => error instanceof TypeError && message.test(error.message);
    assert.throws(() => spec.loadSync(), refused);
    const error: unknown = await spec.load().catch((reason: unknown) => reason);
    assert.ok(refused(error), String(error));
  }
});

test.run();
