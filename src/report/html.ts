/**
 * A report of a check as one HTML file that needs nothing else: objects by kernels, and from there
 * to each relocation, its line of source, and where its field is on each kernel.
 *
 * The data stands in it once, as JSON; a small script makes text of it, never markup, so that no
 * name of an object can do anything. The page may load nothing.
 *
 * @module
 */

import { scriptJson } from "./escape.ts";
import { pageData } from "./html-data.ts";
import { pageScript } from "./html-script.ts";
import { pageStyle } from "./html-style.ts";
import type { CheckReport } from "./report.ts";

const policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/** The report as an HTML document, with a newline at the end. */
export function checkHtml(report: CheckReport): string {
  const data = pageData(report);
  return [
    "<!doctype html>",
    '<html lang="en">',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    `<title>CO-RE relocation: ${data.ok ? "ok" : "fails"}</title>`,
    `<style>${pageStyle}</style>`,
    '<main id="page"></main>',
    "<noscript><p>This page needs scripts to show its report. Nothing is loaded from elsewhere.</p></noscript>",
    `<script type="application/json" id="data">${scriptJson(data)}</script>`,
    `<script>${pageScript}</script>`,
    "</html>",
    "",
  ].join("\n");
}
