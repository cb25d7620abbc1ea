"""What a stage leaves in Prefect's pages: text from data is no Markdown there."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows import artifacts
from flows.markdown import file_link, literal
from flows.stages import StageResult

_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])|&(lt|gt|amp);")
_ENTITIES = {"lt": "<", "gt": ">", "amp": "&"}


def rendered(markdown: str) -> str:
    """What CommonMark shows of a text in which every mark is escaped."""
    return _ESCAPED.sub(lambda found: found[1] or _ENTITIES[found[2]], markdown)


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_a_text_reads_as_it_stands(text: str) -> None:
    written = literal(text)
    assert rendered(written) == "".join(mark if mark.isprintable() else ascii(mark)[1:-1] for mark in text)
    assert not re.search(r"[\\`*_{}\[\]()<>#+.!|~:&-]", _ESCAPED.sub("", written))


def test_messages_and_files_of_a_stage_are_no_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[dict[str, Any]] = []
    for name in ("create_markdown_artifact", "create_table_artifact"):
        monkeypatch.setattr(
            artifacts, name, lambda content, **given: left.append({"content": content, **given})
        )
    message = "a|b **bold** <img src=x onerror=alert(1)> :x: [a](javascript:b)\n# h"
    result = StageResult(
        stage="check",
        status="ok",
        message=message,
        files=("/a b/[c](d).html",),
        tables={"t": [{"a": message}]},
    )
    artifacts.leave_artifacts(result)
    table, page = left
    assert table["content"] == [{"a": message}]
    first, link = page["content"].splitlines()
    for text in (table["description"], first.partition(" · ")[2]):
        assert "<" not in text and rendered(text) == message.replace("\n", "\\n")
    assert link == "- " + file_link("/a b/[c](d).html")
    assert link.endswith("(file:///a%20b/%5Bc%5D%28d%29.html)")
