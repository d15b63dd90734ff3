"""The frame of a page that stands alone: no network, light and dark, paper, 360 px. All text is escaped here.

What is shown comes from files that others made (class names, file names, arguments), so it is data: ``text`` escapes it, and the
page forbids itself to load anything or to run any script but its own, by its digest.
"""

from __future__ import annotations

if __name__ == "__main__":
    if not __package__:  # run as a file: as `python -m` has it
        __import__("sys").path[0] = __import__("os").path.realpath(__file__ + "/../../..")
    from vision.messages.early import not_a_command

    not_a_command("python -m tools.report")

import base64
import hashlib
import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vision.messages.advice import shown

STYLE = """
:root{--ink:#1b1f24;--soft:#57606a;--paper:#fff;--card:#f6f8fa;--line:#d0d7de;--a:#0072b2;--b:#b45f00;--c:#007a5a;--d:#a8327d;
--bar:0,114,178;color-scheme:light dark}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9aa4af;--paper:#0d1117;--card:#161b22;--line:#30363d;--a:#56b4e9;
--b:#e69f00;--c:#2fc496;--d:#e08ec3;--bar:86,180,233}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1180px;padding:16px;font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);
overflow-wrap:anywhere}
h1{font-size:1.5rem;line-height:1.25;margin:.2em 0}h2{font-size:1.2rem;margin:2em 0 .4em;padding-top:.5em;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.2em 0 .3em}p{margin:.4em 0;max-width:46em}.soft,figcaption{color:var(--soft);font-size:.87rem}
nav{display:flex;flex-wrap:wrap;gap:.2em 1em;margin:.8em 0;font-size:.9rem}a{color:var(--a)}
.grid{display:grid;gap:12px;grid-template-columns:repeat(auto-fill,minmax(min(320px,100%),1fr))}
.tiles{display:grid;gap:8px;grid-template-columns:repeat(auto-fill,minmax(130px,1fr));margin:.8em 0}
.tile,figure{background:var(--card);border:1px solid var(--line);border-radius:6px;padding:8px 10px;margin:0;min-width:0}
.tile b{display:block;font-size:1.35rem;line-height:1.3;font-variant-numeric:tabular-nums}.tile span{color:var(--soft);font-size:.82rem}
figure>b{display:block;font-size:.92rem}.small{grid-template-columns:repeat(auto-fill,minmax(min(150px,100%),1fr))}
.pairs{grid-template-columns:repeat(auto-fill,minmax(min(480px,100%),1fr))}
svg{display:block;width:100%;height:auto}svg text{fill:var(--soft);font:11px system-ui,sans-serif}svg .axis{stroke:var(--line)}
.key{display:flex;flex-wrap:wrap;gap:0 1em;font-size:.82rem;color:var(--soft)}.key i{display:inline-block;width:1.4em;height:0;
border-top:3px solid;vertical-align:middle;margin-right:.4em}
.wide{overflow-x:auto;max-width:100%;margin:.5em 0}table{border-collapse:collapse;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:.22em .6em;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{position:sticky;top:0;background:var(--paper);vertical-align:bottom}
th:first-child,td:first-child,td.words,th.words{text-align:left}td.words{white-space:normal;min-width:8em}td small{display:block;color:var(--soft)}
@media (max-width:480px){th,td{padding:.22em .35em}.pair{grid-template-columns:1fr!important}}
td.bar{background:linear-gradient(90deg,rgba(var(--bar),.35) var(--v),transparent var(--v))}
td.cell{background:rgba(var(--bar),var(--v));text-align:center;min-width:2.4em}
th button{all:unset;cursor:pointer;text-decoration:underline dotted;text-underline-offset:3px}th button:focus-visible{outline:2px solid var(--a)}
[aria-sort=ascending] button::after{content:" ▲"}[aria-sort=descending] button::after{content:" ▼"}
.swatch{display:inline-block;width:.8em;height:.8em;border:1px solid var(--soft);border-radius:2px;margin-right:.45em}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:4px}.pair img{display:block;width:100%;height:auto;border-radius:3px}
.note{border-left:4px solid var(--b);background:var(--card);padding:.4em .8em;margin:.6em 0;max-width:46em}
code,pre{font:13px/1.45 ui-monospace,monospace}pre{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:6px;
padding:8px 10px;margin:.5em 0}dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.1em 1em;margin:.6em 0}
dt{color:var(--soft)}dd{margin:0}details summary{cursor:pointer;margin:.5em 0}
@media print{@page{margin:14mm}:root{color-scheme:light;--ink:#000;--soft:#444;--paper:#fff;--card:#fff;--line:#bbb;--a:#0072b2;--b:#b45f00;--c:#007a5a;--d:#a8327d;--bar:0,114,178}
html{font-size:11px}body{max-width:none;font-size:1rem;padding:0;-webkit-print-color-adjust:exact;print-color-adjust:exact}nav{display:none}.wide{overflow:visible}
figure,tr,.tile{break-inside:avoid}h2,h3{break-after:avoid}th{position:static}pre{white-space:pre-wrap;columns:2;font-size:.9rem}
.grid{grid-template-columns:repeat(2,1fr)}.small{grid-template-columns:repeat(5,1fr)}}
"""
SCRIPT = """
"use strict";
let closed = [];  // on paper nothing can be opened
onbeforeprint = () => { closed = [...document.querySelectorAll("details:not([open])")]; for (const each of closed) each.open = true; };
onafterprint = () => { for (const each of closed) each.open = false; };
for (const table of document.querySelectorAll("table.sorts")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.onclick = () => {
      const rows = [...table.tBodies[0].rows], said = row => row.cells[column].dataset.v ?? row.cells[column].textContent;
      const numbers = rows.every(row => said(row) === "" || !isNaN(Number(said(row))));
      const down = head.ariaSort ? head.ariaSort === "ascending" : numbers;
      const compare = numbers ? (a, b) => (a === "" ? -Infinity : +a) - (b === "" ? -Infinity : +b) || 0 : (a, b) => a.localeCompare(b);
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      rows.sort((a, b) => (down ? -1 : 1) * compare(said(a), said(b)));
      table.tBodies[0].append(...rows);
    };
  });
}
"""


def text(value: object) -> str:
    """Any text as HTML shows it: on one line, what cannot be printed named, nothing of it a tag."""
    return html.escape(shown(str(value)), quote=True)


def number(value: float | None, form: str = ".3f") -> str:
    """A dash for what is not there, not a number, or COCO's −1."""
    return "–" if value is None or math.isnan(value) or value == -1 else format(value, form)


@dataclass(frozen=True)
class Cell:
    """A cell of a table: HTML that is escaped already, what it sorts by ("" last), and how it looks.

    share: 0 to 1, the length of a bar (``kind`` bar) or the depth of its colour (``kind`` cell).
    """

    inner: str
    sorts: str = ""
    kind: str = ""
    share: float | None = None

    def html(self) -> str:
        style = ""
        if self.share is not None:
            share = min(1.0, max(0.0, self.share))
            style = f' style="--v:{share:.2f}"' if self.kind == "cell" else f' style="--v:{100 * share:.1f}%"'
        kind = f' class="{self.kind}"' if self.kind else ""
        return f'<td{kind} data-v="{html.escape(self.sorts)}"{style}>{self.inner}</td>'


def words(value: object) -> Cell:
    return Cell(text(value), text(value), "words")


def measure(value: float | None, form: str = ".3f", share: float | None = None) -> Cell:
    """A number that is sorted by its value."""
    said = number(value, form)
    sorts = "" if said == "–" else repr(float(value or 0))
    return Cell(said, sorts, "bar" if share is not None else "", share)


def table(heads: Sequence[str], rows: Iterable[Sequence[Cell]], sorts: bool = False) -> str:
    """``heads`` are text; a table that is too wide scrolls by itself, never the page."""
    cells = [list(row) for row in rows]
    made = [f"<tr>{''.join(cell.html() for cell in row)}</tr>" for row in cells]
    wordy = [cell.kind == "words" for cell in cells[0]] if cells else [False] * len(heads)
    head = "".join(
        f"<th{' class=words' if left else ''}>{text(each)}</th>"
        for each, left in zip(heads, wordy, strict=True)
    )
    kind = ' class="sorts"' if sorts else ""
    return f'<div class="wide"><table{kind}><thead><tr>{head}</tr></thead><tbody>{"".join(made)}</tbody></table></div>'


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Names and values, both text."""
    return f"<dl>{''.join(f'<dt>{text(name)}</dt><dd>{text(value)}</dd>' for name, value in rows)}</dl>"


def tiles(rows: Iterable[tuple[str, str, str]]) -> str:
    """Big numbers: value, name, what it is."""
    made = (
        f'<div class="tile"><b>{text(value)}</b>{text(name)}<br><span>{text(what)}</span></div>'
        for value, name, what in rows
    )
    return f'<div class="tiles">{"".join(made)}</div>'


def note(said: str) -> str:
    return f'<p class="note">{text(said)}</p>'


def paragraph(said: str, soft: bool = False) -> str:
    return f"<p{' class=soft' if soft else ''}>{text(said)}</p>"


@dataclass(frozen=True)
class Section:
    """A heading, its name in the address, and what is below it as HTML."""

    name: str
    title: str
    inner: str


def page(title: str, head: str, sections: Sequence[Section]) -> bytes:
    """The whole file. ``title`` is text, ``head`` HTML."""
    parts = [each for each in sections if each.inner]
    links = "".join(f'<a href="#{each.name}">{text(each.title)}</a>' for each in parts)
    body = "".join(
        f'<section id="{each.name}"><h2>{text(each.title)}</h2>{each.inner}</section>' for each in parts
    )
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{text(title)}</title><style>{STYLE}</style></head>\n<body><h1>{text(title)}</h1>{head}<nav>{links}</nav>"
        f"{body}<script>{SCRIPT}</script></body></html>\n"
    ).encode("utf-8", "replace")
