/**
 * Checking objects against kernels without loading them, and reports of it.
 *
 * @module
 */

export { compareReports, withBaseline } from "./baseline.ts";
export {
  type CheckKernel,
  type CheckModule,
  type CheckOptions,
  type CheckProgress,
  check,
  openBtf,
  openKernelTypes,
} from "./check.ts";
export {
  type DisassembledInstruction,
  type DisassembledObject,
  type DisassembledReference,
  type DisassembledRelocation,
  disassemble,
  functionSignatures,
} from "./disassembly.ts";
export { disassemblyLines } from "./disassembly-text.ts";
export { checkHtml } from "./html.ts";
export { parseReport, reportJson } from "./json.ts";
export { checkJunit } from "./junit.ts";
export { checkMarkdown } from "./markdown.ts";
export { mergeReports } from "./merge.ts";
export type { CheckedObject } from "./prepare.ts";
export type {
  CheckReport,
  CheckRow,
  RelocatedInstructions,
  ReportBaseline,
  ReportChange,
  ReportKernel,
  ReportNumber,
  ReportObject,
  ReportSource,
  ReportSummary,
  Verdict,
} from "./report.ts";
export { checkText } from "./text.ts";
