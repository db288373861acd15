import { suite } from "uvu";
import * as assert from "uvu/assert";
import { freplace } from "../../links/freplace.ts";
import { CollectionSpec } from "../../src/collection.ts";
import { UnsupportedError } from "../../src/error.ts";
import { ProgramType } from "../../src/uapi.ts";
import { fixturePath } from "../helper/fixtures.ts";
import { assertNothingLeft } from "../helper/hygiene.ts";
import { kernelTest } from "../helper/kernel.ts";
import { TRAMPOLINES } from "../helper/trampolines.ts";
import { Counter } from "./counter.ts";
import { isA, isTarget } from "./errors.ts";

const test = suite("links/freplace");
const packet = { data: new Uint8Array(64) };

kernelTest(test, "the function is another's while the link is open", TRAMPOLINES, async () => {
  await assertNothingLeft(async () => {
    const spec = CollectionSpec.fromFile(fixturePath("freplace.el.o"));
    await using first = await spec.load();
    const outer = first.programs["outer"]!;
    assert.is(outer.run(packet).returnValue, 1);
    const second = CollectionSpec.fromFile(fixturePath("freplace.el.o"));
    for (const [name, program] of Object.entries(second.programs)) {
      program.autoload = name === "replacement";
    }
    await using extension = await second.load({ targets: { replacement: outer } });
    const link = extension.attach().byProgram.get("replacement")!;
    assert.is(link.kind, "freplace");
    assert.is(link.description, "replacement to freplace replaceable");
    assert.is(outer.run(packet).returnValue, 100);
    assert.is(link.info().details.kind, "tracing");
    assert.throws(() => link.update(outer), isA(UnsupportedError));
    link.close();
    assert.is(outer.run(packet).returnValue, 1);
    assert.throws(() => freplace(extension.programs["replacement"]!), /give it as the option/);
    const target = outer;
    using _again = freplace(extension.programs["replacement"]!, { target });
    assert.is(outer.run(packet).returnValue, 100);
    const wrong = { target, function: "replacable" };
    assert.throws(
      () => freplace(extension.programs["replacement"]!, wrong),
      isTarget("ENOENT", /replaceable/),
    );
  });
});

kernelTest(test, "misuse is named", () => {
  using program = new Counter({ type: ProgramType.SOCKET_FILTER });
  assert.throws(() => freplace(program.program), isA(TypeError));
});

test.run();
