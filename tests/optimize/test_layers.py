"""The room's files lie in layers: none imports, by any way round, a file that imports it."""

from __future__ import annotations

import ast
from pathlib import Path

import optimize

ROOM = Path(optimize.__file__).parent


def imports() -> dict[str, set[str]]:
    """The room's modules that each imports, for types alone or within functions included."""
    names = {
        ".".join(file.relative_to(ROOM.parent).with_suffix("").parts).removesuffix(".__init__"): file
        for file in ROOM.rglob("*.py")
    }
    found: dict[str, set[str]] = {}
    for name, file in names.items():
        wanted: set[str] = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                for one in node.names:
                    inner = f"{node.module}.{one.name}"
                    wanted.add(inner if inner in names else node.module)
            elif isinstance(node, ast.Import):
                wanted |= {one.name for one in node.names}
        found[name] = (wanted & names.keys()) - {name}
    return found


def circle(graph: dict[str, set[str]]) -> list[str]:
    """A way from a file back to itself, or nothing."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for other in sorted(graph[name]):
            if found := walk(other, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(graph) if (found := walk(name, []))), [])


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_no_file_imports_one_that_imports_it() -> None:
    graph = imports()
    assert len(graph) > 50 and "optimize.types" in graph["optimize.check"]
    assert circle(graph) == []
