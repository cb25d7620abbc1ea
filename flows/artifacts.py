"""What a stage leaves in Prefect's pages: its tables, its message, links to its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.markdown import file_link, literal
from flows.plain import plain
from flows.stages import StageResult


def leave_artifacts(result: StageResult, reports: Path | None = None) -> None:
    """One table artifact a table of the result, and one page with its message and files.

    Keys are stable ("plan-modes", "calibrate-calibrations", …), so that the pages show their history.
    reports: the workspace's folder of pages, to which links go over http.
    """
    for title, rows in result.tables.items():
        if rows:
            create_table_artifact(
                [{key: _plain(value) for key, value in row.items()} for row in rows],
                key=f"{result.stage}-{title}".replace(" ", "-"),
                description=literal(result.message),
            )
    lines = [f"**{result.stage}: {result.status}** · {literal(result.message)}"]
    lines += [f"- {file_link(file, reports)}" for file in result.files]
    create_markdown_artifact("\n".join(lines), key=result.stage, description=f"exit code {result.exit_code}")


def _plain(value: Any) -> Any:
    value = plain(value)
    if isinstance(value, float):
        return round(value, 6)
    return value if value is None or isinstance(value, str | int | bool) else str(value)
