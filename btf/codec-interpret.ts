/**
 * The interpreted back-end: a plan carried out by closures, one for each part, for where making
 * code from strings is not allowed. Gives just what the generated back-end gives, several times
 * slower.
 *
 * @module
 */

import type { Backend, BackendOptions } from "./codec-backend.ts";
import { failed, outside, restLength, ViewCache } from "./codec-backend.ts";
import { readBits, writeBits } from "./codec-bits.ts";
import { prefix } from "./codec-fault.ts";
import { safe, toBigint, toBoolean, toFloat, toNumber } from "./codec-number.ts";
import {
  memberOf,
  type Shape,
  shapeOf,
  writeChoice,
  writeRawArray,
  writeRawRecord,
} from "./codec-object.ts";
import type { ArrayPlan, IntegerPlan, Part, Plan, RecordPlan } from "./codec-plan.ts";
import { isOptional } from "./codec-plan.ts";
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

/**
 * Reads a value at `offset`; flexible arrays in it reach to `end`, or are empty where that is 0.
 */
type Reader = (view: DataView, offset: number, end: number) => unknown;
type Writer = (view: DataView, offset: number, value: unknown) => void;
type PartWriter = (view: DataView, offset: number, members: readonly unknown[]) => void;

/** Carries out a plan without generating code. */
export function interpret({ plan, little, root }: BackendOptions): Backend {
  const interpreter = new Interpreter(little);
  const read = interpreter.reader(plan);
  const write = interpreter.writer(plan);
  const { size } = plan;
  const cache = new ViewCache();

  function decodeAt(view: DataView, offset: number, end: number): unknown {
    try {
      return read(view, offset, end > offset + size ? end : 0);
    } catch (error) {
      throw failed(error, root, size, offset, view);
    }
  }

  return {
    decode(bytes, offset = 0, end = bytes.length) {
      const view = bytes === cache.bytes ? cache.view : cache.adopt(bytes);
      if (!(offset >= 0 && offset + size <= end && end <= bytes.length)) {
        throw outside(root, size, offset, Math.min(end, bytes.length));
      }
      return decodeAt(view, cache.base + offset, cache.base + end);
    },
    decodeView(view, offset, end = offset + size) {
      if (!(offset >= 0 && offset + size <= end)) throw outside(root, size, offset, end);
      return decodeAt(view, offset, end);
    },
    write,
  };
}

class Interpreter {
  readonly #little: boolean;
  readonly #readers: Map<Plan, Reader> = new Map();
  readonly #writers: Map<Plan, Writer> = new Map();

  constructor(little: boolean) {
    this.#little = little;
  }

  reader(plan: Plan): Reader {
    let reader = this.#readers.get(plan);
    if (reader === undefined) {
      reader = this.#makeReader(plan);
      this.#readers.set(plan, reader);
    }
    return reader;
  }

  writer(plan: Plan): Writer {
    let writer = this.#writers.get(plan);
    if (writer === undefined) {
      writer = this.#makeWriter(plan);
      this.#writers.set(plan, writer);
    }
    return writer;
  }

  #makeReader(plan: Plan): Reader {
    const little = this.#little;
    const { size } = plan;
    switch (plan.kind) {
      case "integer":
        return integerReader(plan, little);
      case "bits":
        return (view, offset) => readBits(view, offset, plan, little);
      case "float":
        return size === 4
          ? (view, offset) => view.getFloat32(offset, little)
          : (view, offset) => view.getFloat64(offset, little);
      case "text":
        if (plan.whole) return (view, offset) => readWholeText(view, offset, size);
        return plan.flexible
          ? (view, offset, end) => readText(view, offset, restLength(offset, end, 1))
          : (view, offset) => readText(view, offset, size);
      case "bytes":
        return plan.flexible
          ? (view, offset, end) => readBytes(view, offset, restLength(offset, end, 1))
          : (view, offset) => readBytes(view, offset, size);
      case "array":
        return this.#arrayReader(plan);
      case "record":
        return this.#recordReader(plan);
    }
  }

  #arrayReader({ length, element, flexible }: ArrayPlan): Reader {
    const read = this.reader(element);
    return (view, offset, end) => {
      const count = flexible ? restLength(offset, end, element.size) : length;
      const values: unknown[] = [];
      let index = 0;
      try {
        for (; index < count; index++) values.push(read(view, offset + index * element.size, 0));
      } catch (error) {
        throw prefix(error, `[${index}]`);
      }
      return values;
    };
  }

  #recordReader({ fields }: RecordPlan): Reader {
    const members = fields.map(({ name, offset, plan, tail }) => {
      return { name, offset, read: this.reader(plan), tail };
    });
    return (view, offset, end) => {
      const value: Record<string, unknown> = {};
      for (const member of members) {
        let result: unknown;
        try {
          result = member.read(view, offset + member.offset, member.tail ? end : 0);
        } catch (error) {
          throw prefix(error, `.${member.name}`);
        }
        if (member.name === "__proto__") {
          // Assigning it would set the prototype.
          const property = { value: result, writable: true, enumerable: true, configurable: true };
          Object.defineProperty(value, member.name, property);
        } else {
          value[member.name] = result;
        }
      }
      return value;
    };
  }

  #makeWriter(plan: Plan): Writer {
    const little = this.#little;
    const { size } = plan;
    switch (plan.kind) {
      case "integer":
        return integerWriter(plan, little);
      case "bits":
        return (view, offset, value) => {
          const { bits, signed, form } = plan;
          const checked =
            form === "boolean" ? Number(toBoolean(value)) : toBigint(value, bits, signed);
          writeBits(view, offset, plan, little, checked);
        };
      case "float":
        return size === 4
          ? (view, offset, value) => view.setFloat32(offset, toFloat(value, 4), little)
          : (view, offset, value) => view.setFloat64(offset, toFloat(value, 8), little);
      case "text":
        if (plan.whole) {
          return (view, offset, value) => writeWholeText(view, offset, value, size);
        }
        return plan.flexible
          ? writeFlexibleText
          : (view, offset, value) => writeText(view, offset, value, size);
      case "bytes":
        return plan.flexible
          ? writeFlexibleBytes
          : (view, offset, value) => writeBytes(view, offset, value, size);
      case "array":
        return this.#arrayWriter(plan);
      case "record":
        return this.#recordWriter(plan);
    }
  }

  #arrayWriter({ length, element, flexible, size }: ArrayPlan): Writer {
    const write = this.writer(element);
    return (view, offset, value) => {
      if (writeRawArray(view, offset, value, flexible ? undefined : length, size)) return;
      const values = value as ArrayLike<unknown>;
      const count = flexible ? values.length : length;
      let index = 0;
      try {
        for (; index < count; index++) write(view, offset + index * element.size, values[index]);
      } catch (error) {
        throw prefix(error, `[${index}]`);
      }
    };
  }

  #recordWriter(plan: RecordPlan): Writer {
    const shape = shapeOf(plan);
    const write = this.#partsWriter(plan.parts, shape);
    return (view, offset, value) => {
      if (writeRawRecord(view, offset, value, shape)) return;
      const object = value as object;
      write(
        view,
        offset,
        shape.names.map((name) => memberOf(object, name)),
      );
    };
  }

  #partsWriter(parts: readonly Part[], shape: Shape): PartWriter {
    const little = this.#little;
    const writers = parts.map((part): PartWriter => {
      if ("choice" in part) {
        const { choice } = part;
        const views = choice.views.map((view) => this.#partsWriter(view.parts, shape));
        return (view, offset, members) => {
          writeChoice(view, offset, choice, shape, members, views, little);
        };
      }
      const field = shape.plan.fields[part.field]!;
      const optional = isOptional(field);
      const write = this.writer(field.plan);
      return (view, offset, members) => {
        const member = members[part.field];
        if (optional && member === undefined) return;
        try {
          write(view, offset + field.offset, member);
        } catch (error) {
          throw prefix(error, `.${field.name}`);
        }
      };
    });
    return (view, offset, members) => {
      for (const write of writers) write(view, offset, members);
    };
  }
}

function integerReader({ size, signed, form }: IntegerPlan, little: boolean): Reader {
  switch (size) {
    case 1:
      if (form === "boolean") return (view, offset) => view.getUint8(offset) !== 0;
      return signed
        ? (view, offset) => view.getInt8(offset)
        : (view, offset) => view.getUint8(offset);
    case 2:
      return signed
        ? (view, offset) => view.getInt16(offset, little)
        : (view, offset) => view.getUint16(offset, little);
    case 4:
      return signed
        ? (view, offset) => view.getInt32(offset, little)
        : (view, offset) => view.getUint32(offset, little);
    default: {
      const low = little ? 0 : 4;
      const high = 4 - low;
      if (form === "safe") {
        return signed
          ? (view, offset) =>
              safe(view.getInt32(offset + high, little), view.getUint32(offset + low, little))
          : (view, offset) =>
              safe(view.getUint32(offset + high, little), view.getUint32(offset + low, little));
      }
      return signed
        ? (view, offset) => view.getBigInt64(offset, little)
        : (view, offset) => view.getBigUint64(offset, little);
    }
  }
}

function integerWriter({ size, signed, form }: IntegerPlan, little: boolean): Writer {
  switch (size) {
    case 1:
      return form === "boolean"
        ? (view, offset, value) => view.setUint8(offset, toBoolean(value) ? 1 : 0)
        : (view, offset, value) => view.setUint8(offset, toNumber(value, 8, signed));
    case 2:
      return (view, offset, value) => view.setUint16(offset, toNumber(value, 16, signed), little);
    case 4:
      return (view, offset, value) => view.setUint32(offset, toNumber(value, 32, signed), little);
    default:
      return (view, offset, value) =>
        view.setBigUint64(offset, toBigint(value, 64, signed), little);
  }
}
