/**
 * The script of the page of a report: makes elements of its data, with names as text only. Plain
 * JavaScript for a browser, kept as a text.
 *
 * @module
 */

/** The text of the `<script>` element; it has no `</`. */
export const pageScript: string = String.raw`
"use strict";
(function () {
  const data = JSON.parse(document.getElementById("data").textContent);
  const page = document.getElementById("page");
  const kernels = data.kernels;
  const STEP = 300;
  const bad = new Set(["poisoned", "ambiguous", "error"]);
  const [PROGRAM, SECTION, OFFSET, FILE, LINE, TEXT, BEFORE, VERDICTS, EXISTS, AFTER, TARGET, MESSAGE] = Array(12).keys();
  const meanings = {
    same: "found; the instruction is as compiled",
    changed: "found; the instruction is adjusted for this kernel",
    absent: "a question for existence or size, answered with no",
    guarded: "not there, but the instruction cannot be reached then",
    poisoned: "not there, and the instruction may be reached: the kernel refuses the program",
    ambiguous: "types of the kernel contradict each other: the object is not loaded",
    error: "the question makes no sense: the object is not loaded",
  };

  // Elements: text is text, whatever is in it.
  function element(name, attributes, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) {
      if (key === "onclick" || key === "oninput") made.addEventListener(key.slice(2), value);
      else if (value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
    }
    for (const child of children.flat(Infinity)) {
      if (child !== null && child !== undefined) made.append(typeof child === "object" ? child : shown(child));
    }
    return made;
  }

  // Characters that hide or turn others are made visible.
  function shown(value) {
    return String(value).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (one) => (one === "\t" ? " " : "\ufffd"));
  }

  const text = (index) => (index < 0 ? "" : data.texts[index]);
  const verdictOf = (letter) => data.verdicts[data.letters.indexOf(letter)];
  const badge = (verdict, label) => element("span", { class: "v " + verdict, title: meanings[verdict] }, label || verdict);
  const fails = (counts) => counts !== null && Object.keys(counts).some((verdict) => bad.has(verdict));
  const objectFails = (object) => object.error !== null || object.counts.some(fails);
  const plural = (count, word) => count + " " + word + (count === 1 ? "" : "s");

  function pairBadge(object, counts) {
    if (object.error !== null) return badge("error", "unreadable");
    if (counts === null) return "";
    if (!fails(counts)) return badge("same", "ok");
    return badge("poisoned", [...bad].filter((one) => counts[one]).map((one) => counts[one] + " " + one).join(", "));
  }

  // A table whose body grows when asked, so that large reports open at once.
  function growing(head, rows, make) {
    const body = element("tbody");
    const table = element("table", {}, element("thead", {}, element("tr", {}, head)), body);
    const box = element("div", {}, element("div", { class: "wide", tabindex: "0" }, table));
    let done = 0;
    const more = element("button", { class: "more", type: "button", onclick: grow });
    function grow() {
      for (const row of rows.slice(done, done + STEP)) body.append(...[make(row)].flat());
      done = Math.min(rows.length, done + STEP);
      more.textContent = "show more (" + (rows.length - done) + " left)";
      more.hidden = done === rows.length;
    }
    grow();
    if (done < rows.length) box.append(more);
    if (rows.length === 0) return element("p", { class: "dim" }, "none");
    return box;
  }

  // A search field and a box above what they choose from.
  function chosen(label, boxLabel, list) {
    const place = element("div");
    const search = element("input", { type: "search", placeholder: label, "aria-label": label, oninput: draw });
    const box = element("input", { type: "checkbox", oninput: draw });
    function draw() {
      place.replaceChildren(list(search.value.toLowerCase(), box.checked));
    }
    draw();
    return [element("div", { class: "tools" }, search, element("label", {}, box, " " + boxLabel)), place];
  }

  const kernelHeads = (style) => kernels.map(({ name, types }) => element("th", { scope: "col", class: style, title: types + " types" }, name));

  function overview() {
    const failing = data.objects.filter(objectFails).length;
    const head = () => [element("th", { scope: "col" }, "object"), ...kernelHeads()];
    const row = (index) => {
      const object = data.objects[index];
      return element("tr", {},
        element("th", { scope: "row" }, element("a", { class: "code", href: "#object=" + index }, object.name)),
        kernels.map((_, kernel) => element("td", { class: "cell" }, pairBadge(object, object.counts[kernel]))));
    };
    const { baseline } = data;
    return [
      element("h1", {}, "CO-RE relocation ", data.ok ? badge("same", "ok") : badge("poisoned", "fails")),
      element("p", { class: "dim" }, plural(data.objects.length, "object") + " on " + plural(kernels.length, "kernel") + "; " +
        (failing === 0 ? "all fit" : plural(failing, "object") + " would not load everywhere") + "."),
      baseline === null ? null : element("p", {}, "Against the baseline: " + baseline.worse + " worse, " + baseline.better +
        " better, " + baseline.lost + " lost, " + baseline.known + " fail as before."),
      ...(baseline === null ? [] : baseline.unchecked).map(({ what, names, count }) =>
        element("p", {}, element("span", { class: "v guarded" }, "not checked"), " " + what + " of the baseline: " + names.join(", ") +
          (count > names.length ? " and " + (count - names.length) + " more" : ""))),
      element("nav", {}, element("a", { href: "#structures" }, "Structures on all kernels")),
      ...chosen("Find an object", "only those that fail", (wanted, only) => growing(head(),
        [...data.objects.keys()].filter((index) => data.objects[index].name.toLowerCase().includes(wanted) &&
          (!only || objectFails(data.objects[index]))), row)),
      element("h2", {}, "What the words mean"),
      element("dl", { class: "legend" }, data.verdicts.map((verdict) =>
        [element("dt", {}, badge(verdict)), element("dd", {}, meanings[verdict])])),
    ];
  }

  // The verdict of a question on a kernel: the worst of its places.
  function worst(question, kernel) {
    let rank = -1;
    for (const place of question.places) rank = Math.max(rank, data.letters.indexOf(place[VERDICTS][kernel]));
    return rank === -1 ? undefined : data.verdicts[rank];
  }

  const targetOf = (place, kernel) => data.lists[place[TARGET]][kernel];
  const rankOf = (question) => Math.max(...kernels.map((_, kernel) => data.verdicts.indexOf(worst(question, kernel))));

  function cell(question, kernel) {
    const verdict = worst(question, kernel);
    if (verdict === undefined) return element("td", { class: "cell" });
    const place = question.places.find((one) => verdictOf(one[VERDICTS][kernel]) === verdict);
    const target = targetOf(place, kernel);
    const label = target === null || verdict === "absent" ? verdict : verdict + " " + target;
    return element("td", { class: "cell" }, badge(verdict, label));
  }

  function questionRows(object, question) {
    const open = element("button", { class: "open code", type: "button", "aria-expanded": "false", onclick: toggle }, text(question.path));
    const row = element("tr", {},
      element("th", { scope: "row" }, open, element("div", { class: "dim" }, text(question.kind) + " of " + text(question.root))),
      element("td", { class: "number" }, question.local),
      kernels.map((_, kernel) => cell(question, kernel)),
      element("td", {}, existsText(existence([question])) || ""));
    let places;
    function toggle() {
      if (places === undefined) {
        places = element("tr", { class: "places" }, element("td", { colspan: String(kernels.length + 3) }, placesOf(object, question)));
        row.after(places);
      } else places.hidden = !places.hidden;
      open.setAttribute("aria-expanded", String(!places.hidden));
    }
    return row;
  }

  function placesOf(object, question) {
    const box = element("div");
    const rank = (place) => Math.max(...[...place[VERDICTS]].map((letter) => data.letters.indexOf(letter)));
    const places = [...question.places].sort((a, b) => rank(b) - rank(a));
    let done = 0;
    const more = element("button", { class: "more", type: "button", onclick: grow });
    function grow() {
      for (const place of places.slice(done, done + 20)) more.before(placeOf(object, place));
      done = Math.min(question.places.length, done + 20);
      more.textContent = "more places (" + (question.places.length - done) + " left)";
      more.hidden = done === question.places.length;
    }
    box.append(more);
    grow();
    return box;
  }

  function placeOf(object, place) {
    const after = data.lists[place[AFTER]];
    const messages = data.lists[place[MESSAGE]];
    const where = place[FILE] < 0 ? "" : text(place[FILE]) + ":" + place[LINE];
    return element("div", { class: "place" },
      element("div", {}, element("b", {}, object.programs[place[PROGRAM]] || ""), " ", element("span", { class: "dim code" },
        text(place[SECTION]) + "+" + place[OFFSET] + (where ? ", " + where : ""))),
      place[TEXT] < 0 ? null : element("pre", {}, text(place[TEXT])),
      element("table", {}, element("thead", {}, element("tr", {},
        ["kernel", "verdict", "number", "instruction", "why"].map((name) => element("th", { scope: "col" }, name)))),
      element("tbody", {},
        element("tr", {}, element("td", {}, "as compiled"), element("td"), element("td"), element("td", { class: "code" }, text(place[BEFORE])), element("td")),
        kernels.map(({ name }, kernel) => {
          const verdict = verdictOf(place[VERDICTS][kernel]);
          if (verdict === undefined) return null;
          return element("tr", {}, element("td", {}, name), element("td", {}, badge(verdict)), element("td", { class: "number" }, targetOf(place, kernel)),
            element("td", { class: "code" }, text(after[kernel])), element("td", {}, text(messages[kernel])));
        }))));
  }

  // For each kernel true, false, or undefined where nobody asked.
  function existence(questions) {
    return kernels.map((_, kernel) => {
      for (const { places } of questions) for (const place of places) {
        if (place[EXISTS][kernel] !== " ") return place[EXISTS][kernel] === "y";
      }
      return undefined;
    });
  }

  function existsText(answers) {
    if (answers.length < 2 || answers.includes(undefined)) return "";
    const having = kernels.filter((_, kernel) => answers[kernel]).map(({ name }) => name);
    if (having.length === 0) return "on none";
    if (having.length === answers.length) return "on all";
    const listed = having.length > 8 ? "on " + having.length + " of " + kernels.length : having.join(", ") + " only";
    const rank = (kernel) => data.releases[kernel];
    if (data.releases === null) return listed;
    const order = [...kernels.keys()].sort((a, b) => rank(a) - rank(b));
    const sorted = order.map((kernel) => answers[kernel]);
    const [first, last] = [sorted.indexOf(true), sorted.lastIndexOf(true)];
    if (sorted.slice(first, last + 1).includes(false) || rank(order[first - 1]) === rank(order[first]) || rank(order[last]) === rank(order[last + 1])) return listed;
    const [oldest, newest] = [kernels[order[first]].name, kernels[order[last]].name];
    if (first === 0) return "up to " + newest;
    if (last === answers.length - 1) return "from " + oldest + " on";
    return first === last ? listed : oldest + " to " + newest;
  }

  function objectPage(index) {
    const object = data.objects[index];
    const links = element("nav", {}, element("a", { href: "#" }, "All objects"), element("a", { href: "#structures=" + index }, "Structures of this object"));
    if (object.error !== null) return [links, element("h1", { class: "code" }, object.name), element("p", {}, badge("error", "unreadable"), " ", object.error)];
    const used = data.verdicts.filter((verdict) => object.counts.some((counts) => counts !== null && counts[verdict]));
    const sorted = object.questions.map((question) => ({ question, rank: rankOf(question) })).sort((a, b) => b.rank - a.rank).map(({ question }) => question);
    const matches = (question, wanted) => (text(question.path) + " " + text(question.root) + " " + text(question.kind) + " " +
      question.places.map((place) => object.programs[place[PROGRAM]]).join(" ")).toLowerCase().includes(wanted);
    const head = () => [element("th", { scope: "col" }, "asked for"), element("th", { scope: "col", class: "number" }, "compiled"), ...kernelHeads(), element("th", { scope: "col" }, "exists")];
    return [
      links,
      element("h1", { class: "code" }, object.name),
      element("p", { class: "dim" }, plural(object.programs.length, "program") + ", " + plural(object.questions.length, "question") + " to the kernel's types."),
      element("div", { class: "wide" }, element("table", {},
        element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "kernel"), element("th", { scope: "col" }, "result"),
          used.map((verdict) => element("th", { scope: "col", class: "number" }, verdict)))),
        element("tbody", {}, kernels.map(({ name }, kernel) => element("tr", {}, element("th", { scope: "row" }, name),
          element("td", {}, pairBadge(object, object.counts[kernel])),
          used.map((verdict) => element("td", { class: "number" }, (object.counts[kernel] || {})[verdict] || "")))))),
      ),
      element("h2", {}, "Relocations"),
      element("p", { class: "dim" }, "What is asked for, the number in the object, and what each kernel answers. A row opens to its places in the code."),
      ...chosen("Find a field, type or program", "only those that fail", (wanted, only) => growing(head(),
        sorted.filter((question) => matches(question, wanted) && (!only || kernels.some((_, kernel) => bad.has(worst(question, kernel))))),
        (question) => questionRows(object, question))),
    ];
  }

  // Fields by structure, of one object or all: where each is on each kernel.
  function structuresPage(index) {
    const objects = index === undefined ? data.objects : [data.objects[index]];
    const roots = new Map();
    for (const object of objects) for (const question of object.questions) {
      const kind = text(question.kind);
      if (!kind.startsWith("field_") && kind !== "type_size") continue;
      const root = text(question.root);
      if (!roots.has(root)) roots.set(root, new Map());
      const fields = roots.get(root);
      const path = text(question.path);
      if (!fields.has(path)) fields.set(path, []);
      fields.get(path).push(question);
    }
    const numbers = (questions, kind) => kernels.map((_, kernel) => {
      for (const question of questions) if (text(question.kind) === kind) for (const place of question.places) {
        if (place[EXISTS][kernel] === "y") return targetOf(place, kernel);
      }
      return null;
    });
    const names = [...roots.keys()].sort();
    const head = () => [element("th", { scope: "col" }, "field"), ...kernelHeads("number"), element("th", { scope: "col" }, "exists")];
    const row = ([path, questions]) => {
      const answers = existence(questions);
      const offsets = numbers(questions, "field_byte_offset");
      const sizes = numbers(questions, questions.some(({ kind }) => text(kind) === "type_size") ? "type_size" : "field_byte_size");
      let before = null;
      return { at: Number(offsets.find((one) => one !== null) ?? 1e9), row: element("tr", {},
        element("th", { scope: "row", class: "code" }, path),
        kernels.map((_, kernel) => {
          const [offset, size] = [offsets[kernel], sizes[kernel]];
          const moved = before !== null && offset !== null && offset !== before;
          if (offset !== null) before = offset;
          const label = offset !== null ? "+" + offset + (size === null ? "" : ", " + size + " bytes") : size !== null && answers[kernel] ? size + " bytes" :
            answers[kernel] === true ? "there" : answers[kernel] === false ? "none" : "?";
          return element("td", { class: "number" + (moved ? " moved" : "") + (label === "none" ? " dim" : "") }, label);
        }),
        element("td", {}, existsText(answers))) };
    };
    return [
      element("nav", {}, element("a", { href: "#" }, "All objects"), index === undefined ? null : element("a", { href: "#object=" + index }, data.objects[index].name)),
      element("h1", {}, "Structures"),
      element("p", { class: "dim" }, "Offset of each field that is asked for, in bytes, on each kernel; bold where it is not that of the kernel before. " +
        "Kernels stand in the order in which they were named."),
      ...chosen("Find a structure or field", "only what is not on all kernels", (wanted, only) => {
        const parts = [];
        for (const name of names) {
          const fields = [...roots.get(name)].filter(([path, questions]) => (name + " " + path).toLowerCase().includes(wanted) &&
            (!only || existence(questions).includes(false)));
          if (fields.length > 0) parts.push([name, fields]);
        }
        const box = element("div");
        let done = 0;
        const more = element("button", { class: "more", type: "button", onclick: grow });
        function grow() {
          for (const [name, fields] of parts.slice(done, done + 40)) {
            const rows = fields.map(row).sort((a, b) => a.at - b.at).map((one) => one.row);
            more.before(element("h3", {}, name), growing(head(), rows, (one) => one));
          }
          done = Math.min(parts.length, done + 40);
          more.textContent = "show more (" + (parts.length - done) + " left)";
          more.hidden = done === parts.length;
        }
        box.append(more);
        grow();
        return parts.length === 0 ? element("p", { class: "dim" }, "none") : box;
      }),
    ];
  }

  function show() {
    const [, view, number] = /^#(object|structures)(?:=(\d+))?$/.exec(location.hash) || [];
    const index = number === undefined ? undefined : Number(number);
    const isThere = index !== undefined && data.objects[index] !== undefined;
    const parts = view === "object" && isThere ? objectPage(index)
      : view === "structures" ? structuresPage(isThere ? index : undefined)
      : overview();
    page.replaceChildren(...parts.filter((part) => part !== null));
    window.scrollTo(0, 0);
  }
  window.addEventListener("hashchange", show);
  show();
})();
`;
