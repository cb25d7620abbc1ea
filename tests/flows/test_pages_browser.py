"""The pages as a browser lays them out: no figure lies beyond the edge."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from flows.publish import publish_run
from flows.stages import Context
from flows.stages.plan import plan
from flows.workspace import Workspace
from tests.flows.conftest import AS_OF, DAY
from tests.flows.test_serve_browser import CHROMIUM, FLAGS

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no browser on this machine: `apt-get install chromium` brings one"
)
# Every table that is wider than its place, by its first cell.
LOOK = """<script>addEventListener("load", () => {
  const wide = [...document.querySelectorAll(".wide")].filter(one => one.scrollWidth > one.clientWidth + 1);
  const told = document.createElement("pre");
  told.id = "told";
  told.textContent = JSON.stringify(wide.map(one => one.innerText.slice(0, 40)));
  document.body.append(told);
})</script>"""


def beyond_the_edge(page: Path, width: int) -> list[str]:
    """The tables of a page that have to be moved sideways in a window of `width` pixels."""
    looked = page.with_name(f"looked-{page.name}")
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text(encoding="utf-8"))
    looked.write_text(text + LOOK, encoding="utf-8")  # the page itself lets no script in
    try:
        done = subprocess.run(
            [str(CHROMIUM), *FLAGS, f"--window-size={width},900", "--dump-dom", looked.as_uri()],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    finally:
        looked.unlink()
    (stated,) = re.findall(r'<pre id="told">(.*?)</pre>', done.stdout, re.S)
    found: list[str] = json.loads(stated)
    return found


def test_all_figures_of_modes_and_cars_are_seen_without_moving_the_page(
    calibrated_depot: Path, tmp_path: Path
) -> None:
    workspace = Workspace.open(Path(shutil.copytree(calibrated_depot, tmp_path / "depot")))
    plan(Context.of(workspace, AS_OF), DAY)
    plan_id = str(workspace.warehouse.read("out_plan", where={"market_date": DAY})["plan_id"].iloc[-1])
    index, battery = publish_run(workspace, plan_id)[:2]
    assert beyond_the_edge(index, 1200) == []
    assert beyond_the_edge(battery, 1200) == []
    assert all("Import" not in stated for stated in beyond_the_edge(index, 640))
