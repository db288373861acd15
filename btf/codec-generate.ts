/**
 * The generated back-end: a plan as JavaScript made for it alone. What it gives, the interpreted
 * back-end defines.
 *
 * @module
 */

import type { Backend, BackendOptions } from "./codec-backend.ts";
import { failed, LOOP_BYTES, outside, restLength, ViewCache } from "./codec-backend.ts";
import { readBits, writeBits } from "./codec-bits.ts";
import { encoderOf, isScalar } from "./codec-encode.ts";
import { isBytes, prefix, surface } from "./codec-fault.ts";
import { DecodeGenerator } from "./codec-generate-decode.ts";
import { directFunction } from "./codec-generate-direct.ts";
import { EncodeGenerator } from "./codec-generate-encode.ts";
import { safe, toBigint, toBoolean, toFloat, toNumber } from "./codec-number.ts";
import { memberOf, writeChoice, writeRawArray, writeRawRecord } from "./codec-object.ts";
import { isFlexible } from "./codec-plan.ts";
import { literal, Source } from "./codec-source.ts";
import {
  readBytes,
  readText,
  readWholeText,
  writeBytes,
  writeFlexibleBytes,
  writeFlexibleText,
  writeText,
  writeWholeText,
} from "./codec-text.ts";

/** All that generated text calls by name. */
const helpers = {
  encoderOf,
  failed,
  isBytes,
  memberOf,
  outside,
  prefix,
  readBits,
  readBytes,
  readText,
  readWholeText,
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
  writeWholeText,
};

/**
 * Carries out a plan by code made for it.
 *
 * Throws EvalError where making code from strings is not allowed: `node
 * --disallow-code-generation-from-strings`, or a page whose content security policy has no
 * `unsafe-eval`.
 */
export function generate(options: BackendOptions): Backend {
  const { plan, little, root } = options;
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
  // A loop for the one type, into which the engine puts the cursor's steps: from a full ring, 8 ns a
  // record against 10 with a loop that finds the records and another that decodes them.
  source.add(`function decodeRecords(c, v, x, from, to) {
    let i = from, s = 0, o = -1;
    try {
      while (i < to && s < ${LOOP_BYTES} && (o = c.next()) >= 0) {
        const n = c.length;
        if (n < ${size}) { c.back(o); break; }
        ${isFlexible(plan) ? `const e = n > ${size} ? o + n : 0;` : ""}
        x[i] = ${decoder.value(plan)};
        i++;
        s += n;
      }
    } catch { c.back(o); }
    c.count(i - from, s);
    return i;
  }`);
  const made = `decode, decodeView, decodeRecords, write: ${write}`;
  const direct = directFunction(source, plan);
  const isWhole = direct === undefined && !isScalar(plan);
  if (isWhole) return source.evaluate(`{ ${made} }`) as Backend;
  // Bytes in a structure take 16 ns this way and 45 by the general encoder, four integers 18 and 42.
  const general = `const whole = encoderOf(${write}, ${source.constant(options)});`;
  if (direct !== undefined) source.add(general);
  source.add(`function encode(x, b, offset = 0) {
    const v = b === ${cache}.bytes ? ${cache}.view : ${cache}.adopt(b);
    if (!(offset >= 0 && offset + ${size} <= b.length)) {
      throw outside(${name}, ${size}, offset, b.length);
    }
    const o = ${cache}.base + offset;
    ${
      direct === undefined
        ? `try { ${write}(v, o, x); } catch (c) { throw surface(c, ${name}); }`
        : `if (!${direct}(v, o, x, b, offset)) whole(x, b, offset);`
    }
  }`);
  return source.evaluate(`{ ${made}, encode }`) as Backend;
}
