/**
 * The style of the page of a report: light and dark, on screen and on paper. No code.
 *
 * @module
 */

/** The text of the `<style>` element. */
export const pageStyle = `
:root {
  --back: #ffffff; --soft: #f4f5f7; --line: #d9dce1; --text: #1c2128; --dim: #5b6470; --link: #0b57d0;
  --good: #14653a; --good-back: #e3f4e9; --moved: #23537f; --moved-back: #e4eef8;
  --note: #6b4e00; --note-back: #fbf1d5; --bad: #a1121f; --bad-back: #fde4e6;
  color-scheme: light dark;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #14171c; --soft: #1d2128; --line: #363c46; --text: #e3e7ed; --dim: #9aa4b2; --link: #8ab4f8;
    --good: #7fd6a0; --good-back: #14301f; --moved: #93c0ea; --moved-back: #16283a;
    --note: #e5c567; --note-back: #352b10; --bad: #ff8f98; --bad-back: #421a1e;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 110rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
p { margin: .25rem 0 1rem; }
a { color: var(--link); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
nav { display: flex; flex-wrap: wrap; gap: .5rem 1.25rem; margin-bottom: 1rem; }
.dim { color: var(--dim); }
.code { font-family: ui-monospace, SFMono-Regular, Menlo, monospace; font-size: .9em; overflow-wrap: anywhere; }
.tools { display: flex; flex-wrap: wrap; gap: .75rem 1.25rem; align-items: center; margin: .75rem 0; }
.tools input[type=search] { font: inherit; padding: .3rem .5rem; min-width: 16rem; color: inherit;
  background: var(--soft); border: 1px solid var(--line); border-radius: 4px; }
button { font: inherit; color: inherit; background: none; border: 0; padding: 0; text-align: left; cursor: pointer; }
button.more { border: 1px solid var(--line); border-radius: 4px; padding: .3rem .75rem; margin: .75rem 0; background: var(--soft); }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; max-height: 85vh; }
table { border-collapse: separate; border-spacing: 0; min-width: 100%; }
th, td { padding: .35rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
tbody tr:last-child > * { border-bottom: 0; }
thead th { position: sticky; top: 0; background: var(--soft); z-index: 2; white-space: nowrap; }
th[scope=row] { position: sticky; left: 0; background: var(--back); font-weight: 400; z-index: 1; min-width: 14rem; max-width: 34rem; }
thead th:first-child { left: 0; z-index: 3; }
td.cell { white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.v { display: inline-block; white-space: nowrap; border-radius: 4px; padding: 0 .45rem; text-decoration: none; }
.same { color: var(--good); background: var(--good-back); }
.changed { color: var(--moved); background: var(--moved-back); }
.absent, .guarded { color: var(--note); background: var(--note-back); }
.poisoned, .ambiguous, .error { color: var(--bad); background: var(--bad-back); font-weight: 600; }
.moved { font-weight: 700; color: var(--moved); }
.open::before { content: "\\25b8  "; color: var(--dim); }
.open[aria-expanded=true]::before { content: "\\25be  "; }
tr.places > td { background: var(--soft); }
.place { margin: .25rem 0 1rem; }
.place pre { margin: .2rem 0 .4rem; padding: .4rem .6rem; background: var(--back); border: 1px solid var(--line); border-radius: 4px;
  overflow-x: auto; font: .9em/1.45 ui-monospace, monospace; }
.place table { min-width: 0; background: var(--back); border: 1px solid var(--line); border-radius: 4px; }
dl.legend { display: grid; grid-template-columns: max-content 1fr; gap: .35rem .9rem; max-width: 60rem; }
dl.legend dd { margin: 0; min-width: 0; }
@media print {
  body { font-size: 10px; }
  main { padding: 0; max-width: none; }
  nav, .tools, button.more { display: none; }
  .wide { overflow: visible; max-height: none; border: 0; }
  thead th, th[scope=row] { position: static; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
  .v { border: 1px solid currentcolor; background: none; }
}
`;
