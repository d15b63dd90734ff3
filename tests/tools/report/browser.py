"""Pages in a headless Chromium: how wide they are, what they complain about, whether tables sort."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
PROBE = """<!DOCTYPE html><meta charset="utf-8"><body><script>
const said = [], pages = PAGES;
addEventListener("load", () => {
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, root = page.documentElement, name = frame.dataset.name;
    if (root.scrollWidth > frame.clientWidth) said.push(`${name}: ${root.scrollWidth} px wide`);
    if (page.title === "x") said.push(`${name}: a name was run`);
    for (const table of page.querySelectorAll("table.sorts")) {
      const button = table.tHead.rows[0].cells[1].querySelector("button"), first = () => [...table.tBodies[0].rows].map(row => row.cells[1].dataset.v);
      if (!button) { said.push(`${name}: a table that does not sort`); continue; }
      button.click(); const once = first(); button.click(); const twice = first();
      if (once.length > 1 && new Set(once).size > 1 && once.join() === twice.join()) said.push(`${name}: the order stays`);
    }
    const closed = () => page.querySelectorAll("details:not([open])").length, before = closed();
    frame.contentWindow.dispatchEvent(new Event("beforeprint"));
    if (closed()) said.push(`${name}: closed on paper`);
    frame.contentWindow.dispatchEvent(new Event("afterprint"));
    if (closed() !== before) said.push(`${name}: stays open after printing`);
  }
  const done = document.createElement("pre"); done.id = "done"; done.textContent = JSON.stringify(said); document.body.append(done);
});
for (const [name, file, width] of pages) {
  const frame = document.createElement("iframe");
  frame.dataset.name = `${name} at ${width} px`; frame.src = file; frame.style = `width:${width}px;height:700px;border:0`;
  document.body.append(frame);
}
</script>"""


@cache
def chromium() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


def looked_at(pages: Mapping[str, bytes], folder: Path, widths: Sequence[int]) -> list[str]:
    """What is wrong with ``pages`` (name → HTML) at ``widths`` in px: one browser for all of them."""
    rows = []
    for number, (name, data) in enumerate(pages.items()):
        (folder / f"{number}.html").write_bytes(data)
        rows += [(name, f"{number}.html", width) for width in widths]
    (folder / "probe.html").write_text(PROBE.replace("PAGES", json.dumps(rows)))
    options = [
        "--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--enable-logging=stderr",
        "--virtual-time-budget=20000", f"--user-data-dir={folder / 'profile'}", "--window-size=1500,900", "--dump-dom",
    ]  # fmt: skip
    line = [str(chromium()), *options, (folder / "probe.html").as_uri()]
    done = subprocess.run(
        line,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "HOME": str(folder)},
    )
    told = re.search(r'<pre id="done">(.*?)</pre>', done.stdout, re.DOTALL)
    assert told is not None, done.stderr[-2000:]
    return [*json.loads(html.unescape(told[1])), *re.findall(r".*CONSOLE.*", done.stderr)]
