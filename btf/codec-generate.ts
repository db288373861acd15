/**
 * The generated back-end: a plan as JavaScript made for it alone. What it gives, the interpreted
 * back-end defines.
 *
 * @module
 */

import type { Backend, BackendOptions } from "./codec-backend.ts";
import { failed, outside, restLength, ViewCache } from "./codec-backend.ts";
import { readBits, writeBits } from "./codec-bits.ts";
import { isScalar } from "./codec-encode.ts";
import { prefix, surface } from "./codec-fault.ts";
import { DecodeGenerator } from "./codec-generate-decode.ts";
import { EncodeGenerator } from "./codec-generate-encode.ts";
import { safe, toBigint, toBoolean, toFloat, toNumber } from "./codec-number.ts";
import { memberOf, writeChoice, writeRawArray, writeRawRecord } from "./codec-object.ts";
import { isFlexible } from "./codec-plan.ts";
import { literal, Source } from "./codec-source.ts";
import {
  readBytes,
  readText,
  writeBytes,
  writeFlexibleBytes,
  writeFlexibleText,
  writeText,
} from "./codec-text.ts";

/** All that generated text calls by name. */
const helpers = {
  failed,
  memberOf,
  outside,
  prefix,
  readBits,
  readBytes,
  readText,
  restLength,
  safe,
  surface,
  toBigint,
  toBoolean,
  toFloat,
  toNumber,
  writeBits,
  writeBytes,
  writeChoice,
  writeFlexibleBytes,
  writeFlexibleText,
  writeRawArray,
  writeRawRecord,
  writeText,
};

/**
 * Carries out a plan by code made for it.
 *
 * Throws EvalError where making code from strings is not allowed: `node
 * --disallow-code-generation-from-strings`, or a page whose content security policy has no
 * `unsafe-eval`.
 */
export function generate({ plan, little, root }: BackendOptions): Backend {
  const source = new Source(helpers, little);
  const decoder = new DecodeGenerator(source);
  const decode = decoder.function(plan);
  const write = new EncodeGenerator(source).function(plan);
  const cache = source.constant(new ViewCache());
  const name = literal(root);
  const { size } = plan;
  const end = isFlexible(plan) ? `e > o + ${size} ? e : 0` : "0";
  const value = `try { return ${decode}(v, o, ${end}); }
    catch (c) { throw failed(c, ${name}, ${size}, o, v); }`;
  // The same bounds, views and ends as in the interpreted back-end; here so that each codec has
  // functions of its own, which the engine can make fast for its one type.
  source.add(`function decode(b, offset = 0, end = b.length) {
    const v = b === ${cache}.bytes ? ${cache}.view : ${cache}.adopt(b);
    if (!(offset >= 0 && offset + ${size} <= end && end <= b.length)) {
      throw outside(${name}, ${size}, offset, Math.min(end, b.length));
    }
    const o = ${cache}.base + offset, e = ${cache}.base + end;
    ${value}
  }`);
  source.add(`function decodeView(v, o, e = o + ${size}) {
    if (!(o >= 0 && o + ${size} <= e)) throw outside(${name}, ${size}, o, e);
    ${value}
  }`);
  // A loop of its own for the one type: what a small structure costs is the allocation of its object.
  source.add(`function decodeRecords(v, places, from, count, values, base) {
    let i = from, o = 0;
    try {
      for (; i < count; i++) {
        o = places[2 * i];
        const n = places[2 * i + 1];
        if (n < ${size}) break;
        ${isFlexible(plan) ? `const e = n > ${size} ? o + n : 0;` : ""}
        values[base + i] = ${decoder.value(plan)};
      }
      return i;
    } catch (c) { throw failed(c, ${name}, ${size}, o, v); }
  }`);
  const decoders = "decode, decodeView, decodeRecords";
  if (!isScalar(plan)) return source.evaluate(`{ ${decoders}, write: ${write} }`) as Backend;
  source.add(`function encode(x, b, offset = 0) {
    const v = b === ${cache}.bytes ? ${cache}.view : ${cache}.adopt(b);
    if (!(offset >= 0 && offset + ${size} <= b.length)) {
      throw outside(${name}, ${size}, offset, b.length);
    }
    try { ${write}(v, ${cache}.base + offset, x); } catch (c) { throw surface(c, ${name}); }
  }`);
  return source.evaluate(`{ ${decoders}, write: ${write}, encode }`) as Backend;
}
