/**
 * The handle of a program that is attached to a static probe. What attaches it is in `usdt.ts`.
 *
 * @module
 */

import type { Link } from "./link.ts";
import { LinkGroup } from "./link-group.ts";
import type { UsdtProbe } from "./usdt-probes.ts";

/** A program that is attached to all places of a static probe. */
export class UsdtLink extends LinkGroup {
  /** The places. */
  readonly probes: readonly UsdtProbe[];
  #release: (() => void) | undefined;

  /** @internal */
  constructor(
    description: string,
    links: readonly Link[],
    probes: readonly UsdtProbe[],
    release: () => void,
  ) {
    super("usdt", description, links);
    this.probes = probes;
    this.#release = release;
  }

  override close(): void {
    try {
      super.close();
    } finally {
      this.#end();
    }
  }

  override async closeAsync(): Promise<void> {
    try {
      await super.closeAsync();
    } finally {
      this.#end();
    }
  }

  /**
   * As of all links. What the program is told of arguments stays for as long as its maps; links of several places are pinned one by
   * one, and then lose that when this is closed and the program attached to something else.
   */
  override pin(path: string): void {
    super.pin(path);
    this.#release = undefined;
  }

  #end(): void {
    const release = this.#release;
    this.#release = undefined;
    release?.();
  }
}
