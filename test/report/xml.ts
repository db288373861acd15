/**
 * A reader of XML for tests that is as strict as those of CI systems: what is not well-formed, it
 * throws at. No namespaces, comments, CDATA or DOCTYPE.
 *
 * @module
 */

export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: XmlElement[];
  text: string;
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
};
const CHARACTER = /^[\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]*$/u;
const TOKEN =
  /<\?xml version="1\.0" encoding="UTF-8"\?>|<(\/?)([a-z]+)((?:\s+[a-z]+="[^"<]*")*)\s*(\/?)>|([^<]+)/gy;

/** The root element. */
export function parseXml(text: string): XmlElement {
  if (!CHARACTER.test(text)) throw new Error("a character that XML does not have");
  const root: XmlElement = { name: "", attributes: {}, children: [], text: "" };
  const open = [root];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const start = TOKEN.lastIndex;
    const token = TOKEN.exec(text);
    if (token === null) throw new Error(`not well-formed: ${text.slice(start, start + 80)}`);
    const [, closing, name, attributes = "", empty, characters] = token;
    const top = open.at(-1)!;
    if (characters !== undefined) {
      if (characters.includes("]]>")) throw new Error("]]> in text");
      top.text += decode(characters);
    } else if (closing === "/") {
      if (open.pop()?.name !== name) throw new Error(`</${name}> closes another element`);
    } else if (name !== undefined) {
      const made = { name, attributes: readAttributes(attributes), children: [], text: "" };
      top.children.push(made);
      if (empty !== "/") open.push(made);
    }
  }
  const [only] = root.children;
  if (open.length !== 1 || root.children.length !== 1 || only === undefined) {
    throw new Error("not one root element");
  }
  return only;
}

function readAttributes(text: string): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [, name = "", value = ""] of text.matchAll(/([a-z]+)="([^"]*)"/g)) {
    if (Object.hasOwn(attributes, name)) throw new Error(`two attributes ${name}`);
    if (/[\t\n\r]/.test(value)) throw new Error("white space that would become a blank");
    attributes[name] = decode(value);
  }
  return attributes;
}

function decode(text: string): string {
  if (/&(?!(amp|lt|gt|quot|apos|#\d+);)/.test(text)) throw new Error(`an entity in ${text}`);
  return text.replaceAll(/&(#?)(\w+);/g, (_, mark: string, name: string) =>
    mark === "#" ? String.fromCodePoint(Number(name)) : (ENTITIES[name] ?? ""),
  );
}
