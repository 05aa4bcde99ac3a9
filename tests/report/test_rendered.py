"""The report in a browser, where there is one: it fits, nothing overlaps, and it answers clicks.

Screenshots are kept in build/screenshots.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from symbench.figures.draw import draw_figure
from symbench.report.build import build
from tests.report.test_answer import SCORES, found
from tests.report.test_report import configured

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
CHROMIUM = ("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars")
FIGURES = [
    {"name": "error_by_elements", "caption": "Error against the number of elements."},
    {"name": "validation_loss", "caption": "Loss of the group |G| < 9 & more."},
]
# What lies on what, what is wider than the window, which pictures are empty, what clicks do.
PROBE = """<script>
  const boxes = (selector) => [...document.querySelectorAll(selector)]
    .map((each) => [each, each.getBoundingClientRect()]).filter(([, box]) => box.height > 0);
  for (const each of document.querySelectorAll("details")) each.open = true;
  const blocks = boxes("main section > *, main > section");
  const over = [];
  for (const [each, box] of blocks) {
    const next = each.nextElementSibling && each.nextElementSibling.getBoundingClientRect();
    if (next && next.height > 0 && next.top < box.bottom - 1) over.push(each.outerHTML);
  }
  const empty = boxes("img").filter(([each, box]) => !each.naturalWidth || box.width < 50).length;
  const nameless = [...document.querySelectorAll("img")].filter((each) => !each.alt).length;
  const rows = () => [...document.querySelectorAll(".matrix tbody tr")];
  const names = () => rows().map((row) => row.cells[0].textContent);
  const before = names();
  const head = document.querySelector(".matrix thead th");
  head.click(); head.click();
  const after = names();
  const choice = document.querySelector("select[data-filter=kind]");
  choice.append(new Option("other")); choice.value = "other";
  choice.dispatchEvent(new Event("change"));
  document.title = JSON.stringify({
    wider: document.documentElement.scrollWidth - innerWidth, over, empty, nameless,
    images: document.images.length, before, after, hidden: rows().every((row) => row.hidden),
  });
</script>"""


def test_markup_of_captions_is_escaped(page):
    assert "|G| &lt; 9 &amp; more" in page.read_text()


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """A report with claims, tables and figures."""
    folder = tmp_path_factory.mktemp("report")
    results = found(folder, SCORES, models=["first", "second"], figures=FIGURES)
    for figure in FIGURES:
        draw_figure(results, figure["name"])
    path = folder / "report.html"
    build(configured(results.study, layout=results.layout, folder=folder), path)
    return path


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Chromium")
@pytest.mark.parametrize("width", [420, 1400])
def test_the_page_fits_a_phone_and_a_desk(page, tmp_path, width):
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    screenshot = SCREENSHOTS / f"report_{width}.png"
    command = [*CHROMIUM, f"--window-size={width},900", profile]
    subprocess.run(
        [*command, f"--screenshot={screenshot}", page.as_uri()],
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert screenshot.stat().st_size > 10_000
    probed = tmp_path / "probed.html"
    probed.write_text(page.read_text().replace("</body>", f"{PROBE}</body>"))
    shown = subprocess.run(
        [*command, "--dump-dom", probed.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    seen = json.loads(re.search("<title>(.*?)</title>", shown, re.DOTALL).group(1))
    assert seen["wider"] <= 0
    assert not seen["over"]
    assert seen["images"] == len(FIGURES)
    assert (seen["empty"], seen["nameless"]) == (0, 0)
    assert len(seen["before"]) >= 2
    assert seen["after"] == seen["before"][::-1]
    assert seen["hidden"]
