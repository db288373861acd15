/**
 * As much of a browser as the page of a report needs: elements with text, attributes and listeners.
 * Whatever would make markup of text is not there, so that using it fails.
 *
 * @module
 */

import { runInNewContext } from "node:vm";

type Child = FakeElement | string;

export class FakeElement {
  readonly name: string;
  readonly attributes: Map<string, string> = new Map();
  readonly listeners: Map<string, () => void> = new Map();
  children: Child[] = [];
  parent: FakeElement | undefined;
  hidden = false;
  value = "";
  checked = false;

  constructor(name: string) {
    this.name = name;
  }

  setAttribute(name: string, value: unknown): void {
    if (!/^[a-z-]+$/.test(name) || name.startsWith("on")) throw new Error(`attribute ${name}`);
    this.attributes.set(name, String(value));
  }

  addEventListener(name: string, listener: () => void): void {
    this.listeners.set(name, listener);
  }

  append(...added: Child[]): void {
    for (const child of added) this.insert(this.children.length, child);
  }

  before(...added: Child[]): void {
    for (const child of added) this.parent?.insert(this.parent.children.indexOf(this), child);
  }

  after(...added: Child[]): void {
    for (const child of added) this.parent?.insert(this.parent.children.indexOf(this) + 1, child);
  }

  replaceChildren(...added: Child[]): void {
    this.children = [];
    this.append(...added);
  }

  insert(at: number, child: Child): void {
    if (typeof child !== "string" && !(child instanceof FakeElement)) {
      throw new Error(`${String(child)} is neither an element nor text`);
    }
    if (child instanceof FakeElement) child.parent = this;
    this.children.splice(at, 0, child);
  }

  get textContent(): string {
    return this.children
      .map((child) => (typeof child === "string" ? child : child.textContent))
      .join("");
  }

  set textContent(text: string) {
    this.children = [text];
  }

  /** This and all elements below. */
  all(): FakeElement[] {
    return [
      this,
      ...this.children.flatMap((child) => (typeof child === "string" ? [] : child.all())),
    ];
  }

  find(name: string, text = ""): FakeElement[] {
    return this.all().filter((one) => one.name === name && one.textContent.includes(text));
  }

  does(event: string): void {
    const listener = this.listeners.get(event);
    if (listener === undefined) throw new Error(`<${this.name}> does nothing on ${event}`);
    listener();
  }
}

/** A page that was opened. */
export interface OpenPage {
  readonly main: FakeElement;
  /** Follows a link to `#…`. */
  go(hash: string): void;
}

/** Opens the HTML of a report: takes its data and its script, and runs it. */
export function openPage(html: string, hash = ""): OpenPage {
  const data = /<script type="application\/json" id="data">([^<]*)<\/script>/.exec(html)?.[1];
  const script = /<script>(.*?)<\/script>/s.exec(html)?.[1];
  if (data === undefined || script === undefined) throw new Error("no data or no script");
  const main = new FakeElement("main");
  const holder = new FakeElement("script");
  holder.append(data);
  const location = { hash };
  const window = new FakeElement("window");
  const document = {
    createElement: (name: string) => new FakeElement(name),
    getElementById: (id: string) => ({ data: holder, page: main })[id],
  };
  Object.assign(window, { scrollTo: () => {} });
  runInNewContext(script, { document, window, location });
  return {
    main,
    go: (next) => {
      location.hash = next;
      window.does("hashchange");
    },
  };
}
