import { readFileSync } from "node:fs";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Btf } from "../../btf/index.ts";
import { CoreKind, CoreTarget, computeRelocation } from "../../src/co-re/index.ts";
import { BtfError } from "../../src/error.ts";
import { check, checkMarkdown, checkText } from "../../src/report/index.ts";
import { parseObject } from "../../src/spec/index.ts";
import { fixture } from "./golden.ts";

const test = suite("co-re hostile");

/** Some bytes of a blob replaced; offsets beyond the header come more often. */
function damaged(blob: Uint8Array): fc.Arbitrary<Uint8Array> {
  const edit = fc.record({ at: fc.nat(blob.length - 1), byte: fc.nat(255) });
  return fc.array(edit, { minLength: 1, maxLength: 12 }).map((edits) => {
    const copy = new Uint8Array(blob);
    for (const { at, byte } of edits) copy[at] = byte;
    return copy;
  });
}

function openDamaged(blob: Uint8Array): Btf | undefined {
  try {
    return Btf.parse(blob);
  } catch (error) {
    assert.instance(error, BtfError);
    return undefined;
  }
}

const families = [
  ["fields", "fields.3"],
  ["bitfields", "bitfields.3"],
  ["types", "types.1"],
  ["enums", "enums.1"],
] as const;

for (const [object, kernel] of families) {
  const spec = parseObject(readFileSync(fixture(`${object}.clang19.el.o`)));
  const questions = Object.values(spec.programs).flatMap((program) => program.coreRelocations);
  const kernelBytes = readFileSync(fixture(`${kernel}.btf`));
  const localBytes = spec.btf?.bytes ?? new Uint8Array();

  /** Asks everything and reads every text; nothing of it may throw. */
  const askAll = (local: Btf, kernelBtf: Btf): void => {
    const target = new CoreTarget(kernelBtf);
    for (const question of questions) {
      const { root, path, message, outcome } = computeRelocation(local, question, target);
      assert.type(root, "string");
      assert.type(path, "string");
      assert.is(message === undefined, outcome === "found");
    }
  };

  test(`damaged types of a kernel: ${object}`, () => {
    const local = Btf.parse(localBytes);
    fc.assert(
      fc.property(damaged(kernelBytes), (bytes) => {
        const btf = openDamaged(bytes);
        if (btf !== undefined) askAll(local, btf);
      }),
      { numRuns: 150 },
    );
  });

  test(`damaged types of an object: ${object}`, () => {
    const kernelBtf = Btf.parse(kernelBytes);
    fc.assert(
      fc.property(damaged(localBytes), (bytes) => {
        const btf = openDamaged(bytes);
        if (btf !== undefined) askAll(btf, kernelBtf);
      }),
      { numRuns: 150 },
    );
  });

  test(`a report of damaged types: ${object}`, () => {
    fc.assert(
      fc.property(damaged(localBytes), damaged(kernelBytes), (localBlob, kernelBlob) => {
        const [local, kernelBtf] = [openDamaged(localBlob), openDamaged(kernelBlob)];
        if (local === undefined || kernelBtf === undefined) return;
        const report = check({ ...spec, btf: local }, [{ name: "kernel", btf: kernelBtf }]);
        assert.ok(JSON.parse(JSON.stringify(report)).rows.length === questions.length);
        assert.type(checkText(report) + checkMarkdown(report), "string");
      }),
      { numRuns: 50 },
    );
  });
}

test("any question gets an answer", () => {
  const local = Btf.parse(readFileSync(fixture("types.0.btf")));
  const target = new CoreTarget(Btf.parse(readFileSync(fixture("types.1.btf"))));
  const accessor = fc.oneof(
    fc.array(fc.nat(6), { maxLength: 70 }).map((indexes) => indexes.join(":")),
    fc.string(),
  );
  const kind = fc.oneof(fc.nat(CoreKind.TYPE_MATCHES), fc.nat(0xffff_ffff));
  const type = fc.oneof(fc.nat(local.typeCount + 2), fc.nat(0xffff_ffff));
  fc.assert(
    fc.property(type, accessor, kind, (type, accessor, kind) => {
      const result = computeRelocation(local, { type, accessor, kind }, target);
      assert.ok(["found", "missing", "ambiguous", "error"].includes(result.outcome));
      assert.type(`${result.root}${result.path}${result.message}`, "string");
      assert.is(result.poison, result.targetValue === undefined);
    }),
    { numRuns: 2000 },
  );
});

test.run();
