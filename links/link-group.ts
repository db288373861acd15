/**
 * Several links as one: what one call attached to several events, such as one of each CPU.
 *
 * @module
 */

import { closeAll, closeAllAsync } from "../src/close-all.ts";
import { UnsupportedError } from "../src/error.ts";
import { Link, type LinkKind } from "./link.ts";

/** Links that are closed together; at least one. */
export class LinkGroup extends Link {
  /** The single links. They may be described, and pinned, on their own. */
  readonly links: readonly Link[];

  /** @internal */
  constructor(kind: LinkKind, description: string, links: readonly Link[]) {
    const [first] = links;
    if (first === undefined) throw new RangeError(`${description}: there is nothing to attach to`);
    super({ kind, description, fd: first.fd, isKernelLink: first.isKernelLink });
    this.links = links;
  }

  override close(): void {
    closeAll(this.links);
  }

  override async closeAsync(): Promise<void> {
    await closeAllAsync(this.links);
  }

  /** One file cannot hold several links: pin those of {@link LinkGroup.links}. @throws UnsupportedError when there are several. */
  override pin(path: string): void {
    this.#only("pin").pin(path);
  }

  /** @throws UnsupportedError when there are several: ask those of {@link LinkGroup.links}. */
  override info(): ReturnType<Link["info"]> {
    return this.#only("describe").info();
  }

  #only(doing: string): Link {
    const [first] = this.links;
    // A closed one says so itself.
    if (first !== undefined && (this.links.length === 1 || first.closed)) return first;
    throw new UnsupportedError(
      `cannot ${doing} ${this.description} as one: its ${this.links.length} links are in \`links\``,
      { feature: "several links as one" },
    );
  }
}
