/**
 * Names by patterns as shells have them: `*` for any text, `?` for one character. It knows no list of names of its own.
 *
 * @module
 */

/** Whether a name is a pattern. */
export function isGlob(text: string): boolean {
  return /[*?]/.test(text);
}

/**
 * A test for names. It takes time that grows with the length of the name times that of the pattern, whatever they are.
 */
export function globMatcher(pattern: string): (name: string) => boolean {
  return (name) => {
    let at = 0;
    let p = 0;
    let star = -1;
    let resume = 0;
    while (at < name.length) {
      if (pattern[p] === "*") {
        star = p++;
        resume = at;
      } else if (pattern[p] === "?" || (p < pattern.length && pattern[p] === name[at])) {
        p++;
        at++;
      } else if (star !== -1) {
        // The last star takes one character more.
        p = star + 1;
        at = ++resume;
      } else {
        return false;
      }
    }
    while (pattern[p] === "*") p++;
    return p === pattern.length;
  };
}
