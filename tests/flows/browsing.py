"""Pages in a real browser: Debian's Chromium by Playwright; what it says and asks for is kept."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="no browser on this machine: `apt-get install chromium` brings one"
)
UNREACHABLE = ("ENOTFOUND", "EAI_AGAIN", "ETIMEDOUT", "ECONNREFUSED", "ENETUNREACH", "ECONNRESET")
AXE = Path(__file__).parent / "axe"


@contextmanager
def browsing(*, width: int = 1280, dark: bool = False) -> Iterator[Page]:
    """A window; what goes wrong in it, or leaves the machine, is an AssertionError when it closes."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        window = browser.new_page(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
        )
        wrong: list[str] = []
        window.on(
            "console", lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None
        )
        window.on("pageerror", lambda error: wrong.append(str(error)))
        window.on("request", lambda asked: _note(wrong, asked.url))
        try:
            yield window
        finally:
            browser.close()
        assert wrong == []


def _note(wrong: list[str], url: str) -> None:
    if not url.startswith(("file://", "http://127.0.0.1:", "data:", "about:")):
        wrong.append(f"asks for {url}")


def axe_script(folder: Path) -> str:
    """The rules of accessibility, from npm's registry by the lock next to this file; skips without npm."""
    if not shutil.which("npm"):
        pytest.skip("npm is not on this machine")
    for file in AXE.iterdir():
        shutil.copy(file, folder)
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode and any(word in done.stderr for word in UNREACHABLE):
        pytest.skip("npm's registry cannot be reached")
    assert done.returncode == 0, done.stderr
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def violations(window: Page, script: str) -> list[dict[str, Any]]:
    """What of WCAG 2.2 AA a page breaks: serious or critical, by rule with the places."""
    window.evaluate(script)
    answer = window.evaluate(
        "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
    )
    return [
        {"rule": one["id"], "where": [node["html"][:120] for node in one["nodes"]][:5]}
        for one in answer["violations"]
        if one["impact"] in ("serious", "critical")
    ]
