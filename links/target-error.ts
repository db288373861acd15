/**
 * The error of a target that cannot be attached to because it is not there, is not unique or is of the wrong sort.
 *
 * @module
 */

export { TargetError } from "../src/error.ts";
