"""All benchmarks: `python -m tests.benchmarks [NAME | all] [OPTIONS of NAME]`.

Without a name it lists them. NAME runs one, as `python -m tests.benchmarks.NAME` does; `all` runs one after
the other as they are by default, which takes hours.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def benchmarks() -> dict[str, str]:
    """Name → the first line of its docstring, of every file here that is a command."""
    found = {}
    for file in sorted(FOLDER.glob("*.py")):
        source = file.read_text(encoding="utf-8")
        if "\ndef main(" in source and file.name != Path(__file__).name:
            found[file.stem] = (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]
    return found


def run(name: str, options: list[str]) -> int:
    """Run a benchmark in a process of its own; its exit code."""
    return subprocess.run(
        [sys.executable, "-m", f"tests.benchmarks.{name}", *options], check=False
    ).returncode


def main(words: list[str]) -> int:
    known = benchmarks()
    if not words or words[0] in ("-h", "--help"):
        print(__doc__)
        for name, line in known.items():
            print(f"{name:18} {line.partition(': `python')[0].removesuffix('.')}")
        return 0
    if words[0] == "all":
        return max([run(name, []) for name in known])
    if words[0] not in known:
        print(f"no benchmark {words[0]!r}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    return run(words[0], words[1:])


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
