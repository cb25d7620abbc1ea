"""Help, version and completion: what they say, and that they load no engine."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from flows import cli
from flows.version import ROOMS, source_hash
from tests.flows.test_cli import HEAVY

ROOT = Path(cli.__file__).parents[1]
ANY_SHELL = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # the one named, not the one it runs in
ENGINES = tuple(name for name in HEAVY if name != "pydantic")  # Typer itself reads words with it
AFTER = (
    "import sys; sys.argv = ['v2g', *{words!r}]\n"
    "from flows.cli import main\n"
    "try: main()\n"
    "finally: print('LOADED', [name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
)


def v2g(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `v2g` in a process that tells which engines it loaded."""
    return subprocess.run(
        [sys.executable, "-c", AFTER.format(words=list(words), heavy=ENGINES)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def named_commands() -> list[tuple[str, str]]:
    """(file, command) of what documents, messages and help say to type, up to what a shell would add."""
    form = r"`(v2g [^`\n]+)`|Example: (v2g .+)"
    found = []
    for name in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        found += [(name, pair) for pair in re.findall(form + "|^(v2g .+)$", text, re.MULTILINE)]
    for file in (one for room in ROOMS for one in sorted((ROOT / room).rglob("*.py"))):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            text = getattr(node, "value", None)
            pairs = re.findall(form, text) if isinstance(text, str) else []
            found += [(str(file.relative_to(ROOT)), pair) for pair in pairs]
    return [(name, re.split(r"[#;|\\]|&&", "".join(pair))[0]) for name, pair in found]


def test_what_is_said_to_be_typed_can_be() -> None:
    named, wrong = named_commands(), []
    assert len({file for file, _ in named}) > 30
    for file, line in named:
        command: Any = get_command(cli.app)
        words = line.split()[1:]
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help"}
        asked = {word.split("=")[0].rstrip(".,:)") for word in words if word.startswith("-")}
        if asked - known or (getattr(command, "commands", None) and words and not words[0].startswith("-")):
            wrong.append((file, line))
    assert wrong == []


def test_the_version_is_that_of_the_package_and_of_the_code() -> None:
    answer = v2g("--version")
    number = importlib.metadata.version("v2g-planner")
    assert (answer.returncode, answer.stdout) == (0, f"v2g-planner {number}+{source_hash(*ROOMS)}\n")
    assert "LOADED []" in answer.stderr


@pytest.mark.parametrize("words", [("--json", "--version"), ("--version", "--json")])
def test_the_version_for_a_program(
    words: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["v2g", *words])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert not left.value.code
    answer = json.loads(capsys.readouterr().out)
    assert answer == {
        "version": importlib.metadata.version("v2g-planner"),
        "code": source_hash(*ROOMS),
    }


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_completion(shell: str) -> None:
    answer = v2g("--show-completion", shell, **ANY_SHELL)
    assert answer.returncode == 0
    assert f"complete_{shell}" in answer.stdout and "_V2G_COMPLETE" in answer.stdout
    assert "LOADED []" in answer.stderr


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("v2g pl", {"plan"}),
        ("v2g quarantine ", {"list", "show", "release"}),
        ("v2g ingest te", {"telemetry"}),
        ("v2g plan --da", {"--date"}),
        ("v2g --ver", {"--version"}),
    ],
)
def test_completion_offers_what_may_follow(line: str, offered: set[str]) -> None:
    words = line.split(" ")
    answer = v2g(_V2G_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1))
    assert answer.returncode == 0, answer.stderr
    assert set(answer.stdout.split()) == offered
    assert "LOADED []" in answer.stderr


def test_completion_is_installed_into_a_home(tmp_path: Path) -> None:
    answer = v2g("--install-completion", "bash", HOME=str(tmp_path), **ANY_SHELL)
    assert answer.returncode == 0, answer.stderr
    (script,) = (file for file in tmp_path.rglob("*") if file.is_file() and file.name != ".bashrc")
    assert "_V2G_COMPLETE" in script.read_text(encoding="utf-8")
    assert str(script) in (tmp_path / ".bashrc").read_text(encoding="utf-8")


def helps(command: Any, name: str = "v2g") -> dict[str, str]:
    """Every text that a help shows, by where."""
    found = {name: command.help or "", f"{name} epilog": command.epilog or ""}
    for one in command.params:
        found[f"{name} {one.name}"] = getattr(one, "help", None) or ""
    for other, inner in getattr(command, "commands", {}).items():
        found |= helps(inner, f"{name} {other}")
    return found


def test_no_help_text_can_be_read_as_markup() -> None:
    """`[default: here]` would be a style that is not there, and vanish."""
    texts = helps(get_command(cli.app))
    assert len(texts) > 100
    assert {where: text for where, text in texts.items() if re.search(r"\[[a-z#/@]|:[a-z_]+:", text)} == {}


def test_defaults_that_are_found_out_are_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, one in (
        (("status",), ("here", "now")),
        (("plan",), ("tomorrow",)),
        (("ingest",), ("the workspace's, where needed", "0.8 unless given")),
        (("retention",), ("v2g.toml",)),
        (("snapshot",), ("exports/snapshot.duckdb",)),
    ):
        monkeypatch.setattr(sys, "argv", ["v2g", *words, "--help"])
        with pytest.raises(SystemExit):
            cli.main()
        shown = " ".join(re.sub(r"[│╭╰─╮╯]", " ", capsys.readouterr().out).split())
        for text in one:
            assert re.sub(r"\s", "", text) in re.sub(r"\s", "", shown)
