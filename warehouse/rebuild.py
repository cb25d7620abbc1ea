"""A database made anew from the rows of another whose indexes are damaged."""

from pathlib import Path

import duckdb

from warehouse.errors import DamagedError
from warehouse.trouble import trouble


def rebuild(damaged: Path, target: Path) -> None:
    """Copy every table, row by row, into a new file; DamagedError where one cannot be read."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    names = {"old": damaged, "new": target}
    try:
        with duckdb.connect(":memory:", config=config) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            for name, path in names.items():
                quoted = str(path).replace("'", "''")
                mode = "READ_ONLY" if name == "old" else "READ_WRITE"
                connection.execute(f"ATTACH '{quoted}' AS {name} ({mode})")
            connection.execute("COPY FROM DATABASE old TO new")
            for name in names:
                connection.execute(f"DETACH {name}")
    except duckdb.Error as error:
        raise trouble(damaged, error) or DamagedError(f"{damaged}: {error}", path=damaged) from error
    target.chmod(0o600)
