/**
 * What a guest says on its serial line: the output of a command between lines that begin with a nonce.
 *
 * `NONCE:start` when the guest is up, `NONCE:result:TEXT` for each line of results, `NONCE:end:CODE` at the end. All other lines
 * are the command's. The line before the first line after the output may be empty, which is not the command's doing.
 *
 * @module
 */

import { StringDecoder } from "node:string_decoder";

/** Takes the bytes of the line as they come. */
export class SerialReader {
  /** Whether the guest came up. */
  started = false;
  /** Exit code of the command, once the guest has told it. */
  code: number | undefined;
  readonly results: string[] = [];

  readonly #nonce: string;
  readonly #onStart: () => void;
  readonly #onLine: (line: string) => void;
  readonly #decoder = new StringDecoder("utf8");
  #rest = "";
  #heldBack = false;

  constructor(nonce: string, onStart: () => void, onLine: (line: string) => void) {
    this.#nonce = `${nonce}:`;
    this.#onStart = onStart;
    this.#onLine = onLine;
  }

  push(chunk: Buffer): void {
    const lines = (this.#rest + this.#decoder.write(chunk)).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line.replace(/\r$/, ""));
  }

  /** Gives out what has no line feed yet; for guests that end without a word. */
  end(): void {
    const rest = this.#rest + this.#decoder.end();
    this.#rest = "";
    if (rest !== "") this.#line(rest);
  }

  #line(line: string): void {
    if (line.startsWith(this.#nonce)) this.#message(line.slice(this.#nonce.length));
    // Whatever firmware and kernel print there is not the command's.
    else if (this.started && this.code === undefined) {
      if (this.#heldBack) this.#onLine("");
      this.#heldBack = line === "";
      if (!this.#heldBack) this.#onLine(line);
    }
  }

  #message(text: string): void {
    const [, kind, value = ""] = /^(\w+)(?::(.*))?$/s.exec(text) ?? [];
    this.#heldBack = false;
    if (kind === "start") {
      this.started = true;
      this.#onStart();
    } else if (kind === "result") this.results.push(value);
    else if (kind === "end" && /^\d+$/.test(value)) this.code = Number(value);
  }
}
