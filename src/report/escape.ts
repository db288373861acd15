/**
 * Names from objects and kernels as text in a terminal, Markdown, XML and a page: whatever
 * characters they have, they stay text on their line.
 *
 * @module
 */

/**
 * Control characters, line separators, marks that turn or hide text, halves of characters: a
 * terminal would act on them, and a person be misled.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** What XML 1.0 has no way to write. */
const NOT_XML =
  /[^\t\n\r\u{20}-\u{7e}\u{85}\u{a0}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu;

/** Text for one line of a terminal. */
export function plainText(text: string): string {
  return text.replaceAll("\t", " ").replaceAll(UNSEEN, "\ufffd");
}

/** Text for the body of an XML element, lines kept. */
export function xmlText(text: string): string {
  return text
    .replaceAll(NOT_XML, "\ufffd")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll("\r", "&#13;");
}

/** Text for an XML attribute in double quotes. */
export function xmlAttribute(text: string): string {
  return xmlText(text).replaceAll('"', "&quot;").replaceAll("\t", "&#9;").replaceAll("\n", "&#10;");
}

/**
 * Text for a cell of a Markdown table: as it is where nothing in it means anything, else as code,
 * and with every mark escaped where it has what ends a cell or code.
 */
export function markdownText(text: string): string {
  const line = plainText(text).replaceAll(/\s+/g, " ").trim();
  if (/^[\p{L}\p{N} .,:+/=…()-]*$/u.test(line) && !/:\/\/|www\./i.test(line)) return line;
  if (!/[`|\\]/.test(line)) return `\`${line}\``;
  return line
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(/[!"#$%'*+./:=>?[\\\]^_`{|}~-]/g, "\\$&")
    .replaceAll("@", "\uff20");
}

/** JSON to stand in a `<script>` of a page: nothing in it can end the element. */
export function scriptJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(/[<>&\u2028\u2029]/g, (one) => {
    return `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}
