/**
 * Checking objects against kernels without loading them, and reports of it.
 *
 * @module
 */

export {
  type CheckedObject,
  type CheckKernel,
  type CheckOptions,
  check,
  openBtf,
} from "./check.ts";
export { checkMarkdown } from "./markdown.ts";
export { mergeReports } from "./merge.ts";
export type {
  CheckReport,
  CheckRow,
  RelocatedInstructions,
  ReportKernel,
  ReportNumber,
  ReportObject,
  ReportSource,
  ReportSummary,
  Verdict,
} from "./report.ts";
export { checkText } from "./text.ts";
