/**
 * Calling what others gave us from where an exception has no way to them.
 *
 * @module
 */

/**
 * Calls `callback`; what it throws becomes an uncaught exception of its own turn, as of an event's
 * listener, and ends nothing here.
 */
export function callSafely(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    setImmediate(() => {
      throw error;
    });
  }
}
