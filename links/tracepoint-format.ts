/**
 * What a tracepoint's program finds in its context, as `events/GROUP/NAME/format` of tracefs says it.
 *
 * @module
 */

/** A member of a tracepoint's record. */
export interface TracepointField {
  /** In C, such as `char comm[16]`. */
  declaration: string;
  name: string;
  /** Bytes from the start of the context. */
  offset: number;
  /** Bytes. */
  size: number;
  signed: boolean;
  /** In the header that all tracepoints have. */
  isCommon: boolean;
}

/** The members in a `format` file, in its order; lines of another shape are left out. */
export function parseTracepointFormat(text: string): TracepointField[] {
  if (typeof text !== "string") throw new TypeError("the format of a tracepoint is text");
  const fields: TracepointField[] = [];
  const line = /^\tfield:([^;]{1,500});\toffset:(\d{1,9});\tsize:(\d{1,9});\tsigned:([01]);$/gm;
  for (const [, declaration = "", offset, size, signed] of text.matchAll(line)) {
    const name = /(\w+)(?:\[[^\]]*\])*$/.exec(declaration)?.[1] ?? declaration;
    fields.push({
      declaration,
      name,
      offset: Number(offset),
      size: Number(size),
      signed: signed === "1",
      isCommon: name.startsWith("common_"),
    });
  }
  return fields;
}
