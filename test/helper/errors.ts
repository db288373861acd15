/**
 * Checks of errors for `assert.throws`, which takes a class that it is given for a function to ask,
 * and is content with any error then.
 *
 * @module
 */

/** Whether an error is of a class. */
export function isA(
  // biome-ignore lint/suspicious/noExplicitAny: constructors of any parameters
  Class: abstract new (...parameters: any[]) => Error,
): (error: unknown) => boolean {
  return (error) => error instanceof Class;
}
