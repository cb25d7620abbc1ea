"""A workspace: the one folder in which everything about a fleet is kept.

v2g.toml          settings
warehouse.duckdb  every table
inbox/            files dropped for the scheduled ingest; inbox/done and inbox/refused afterwards
mappings/         how foreign files are read: NAME.toml for a file KIND__NAME__anything in the inbox
responses/        what providers of prices answered, byte for byte
reports/          pages to open: index.html first, DATE/index.html, DATE/batteries/
exports/          files for machines; twins/ those of single batteries
ledger.key        signs the log of settlements; `v2g ledger key` makes it
owners.toml       whose cars are whose; pseudonyms.key the keys of `v2g privacy export`
gateway.toml      stations that may connect to `v2g gateway run`
gateway/          what that keeps: plans, journal, alerts, status
backups/          copies of the warehouse that `v2g serve` makes
.prefect/         Prefect's home: its database and results
.backtest/        copies of the warehouse that a back-test plans in, until it ends
Nothing is written outside it, and all of it is private: files of mode 0600, folders of mode 0700; `v2g
migrate` makes a workspace of earlier versions so. A web server that is to show the pages is let in by an
access list, which new pages inherit and `v2g migrate` leaves alone:

    setfacl -m u:www-data:x . && setfacl -R -m u:www-data:rX -m d:u:www-data:rX reports
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from flows.errors import SettingsError, UsageError, WorkspaceError
from flows.money import Money
from flows.settings import FILE_NAME, Settings, load_settings, template

if TYPE_CHECKING:
    from optimize.market.book import TariffBook
    from optimize.market.contract import Contract
    from warehouse.sources.ocmf_record import MeterKey
    from warehouse.store import Warehouse

T = TypeVar("T")

# Set before the engines are imported: none of them may call home, and a worker uses one core.
QUIET_ENVIRONMENT: Mapping[str, str] = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PYBAMM_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "False",
    "OMP_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """An opened workspace: absolute `root` and the settings as they were read.

    lock_timeout_s: how long its warehouse is waited for while somebody else holds it. book: that of the
    settings; None where they name none. contracts: those of the settings. meter_keys: by the meter's serial.
    """

    root: Path
    settings: Settings
    book: TariffBook | None = None
    contracts: tuple[Contract, ...] = ()
    meter_keys: Mapping[str, MeterKey] = field(default_factory=dict)
    lock_timeout_s: float = 10.0

    @classmethod
    def open(cls, root: Path) -> Workspace:
        """Open the workspace in `root`; raises WorkspaceError where there is none, SettingsError."""
        root = root.expanduser().resolve()
        file = root / FILE_NAME
        if not file.is_file():
            raise WorkspaceError(
                f"{root} is not a workspace: it holds no {FILE_NAME}",
                hint="`v2g init DIR` makes one; `--workspace DIR` names another.",
            )
        from warehouse.zones import define_zones

        settings = load_settings(file)
        define_zones({name: own.zone for name, own in settings.zones.root.items()})
        book, contracts = _book(root, settings.tariff.book), _contracts(root, settings.settle.contracts)
        keys = _meter_keys(root, settings.settle.meter_keys)
        return cls(root=root, settings=settings, book=book, contracts=contracts, meter_keys=keys)

    @classmethod
    def create(cls, root: Path, *, zone: str, notice: str = "", providers: Sequence[str] = ()) -> Workspace:
        """Make a workspace in `root` (made when absent) for a bidding zone; an existing one is refused.

        providers: who is asked for prices.
        """
        from warehouse.files import FOLDER_MODE, make_folder, write_whole
        from warehouse.zones import market_timezone

        root = root.expanduser().resolve()
        market_timezone(zone)
        if (root / FILE_NAME).exists():
            raise UsageError(f"{root / FILE_NAME} exists: this is a workspace already")
        if root.exists() and not root.is_dir():
            raise UsageError(f"{root} is a file, not a folder")
        for folder in (root, root / "inbox", root / "reports", root / "exports"):
            make_folder(folder).chmod(FOLDER_MODE)
        write_whole(root / FILE_NAME, template(zone, notice, providers=providers))
        workspace = cls.open(root)
        workspace.warehouse.create()
        return workspace

    def make_private(self) -> int:
        """Close to others what an earlier version, or a hand, left open; returns files and folders changed.

        What has an access list of its own is left as its owner meant it.
        """
        from warehouse.files import has_access_list, make_private

        return make_private(self.root, keep=has_access_list)

    @property
    def warehouse(self) -> Warehouse:
        """The store; opening a connection is left to its methods."""
        from warehouse.store import Warehouse

        return Warehouse(self.root / "warehouse.duckdb", lock_timeout_s=self.lock_timeout_s)

    @property
    def zone(self) -> str:
        """Bidding zone of the fleet's prices."""
        return self.settings.fleet.zone

    @property
    def money(self) -> Money:
        """What answers and pages show money in."""
        return self.settings.workspace.money

    @property
    def reports(self) -> Path:
        """Pages to open."""
        return self.root / "reports"

    @property
    def exports(self) -> Path:
        """Files for machines."""
        return self.root / "exports"

    @property
    def inbox(self) -> Path:
        """Drop folder of the scheduled ingest."""
        return self.root / "inbox"

    @property
    def backups(self) -> Path:
        """Backups that are made on schedule."""
        return self.root / "backups"

    @property
    def mappings(self) -> Path:
        """Mapping files, by name."""
        return self.root / "mappings"

    @property
    def responses(self) -> Path:
        """Answers of the providers of prices, as they came."""
        return self.root / "responses"

    @property
    def prefect_home(self) -> Path:
        """Prefect's database and results."""
        return self.root / ".prefect"

    def make_prefect_home(self) -> None:
        """Make Prefect's home where there is none; it is its owner's alone."""
        self.prefect_home.mkdir(exist_ok=True)
        self.prefect_home.chmod(0o700)

    @property
    def password_file(self) -> Path:
        """The password of the server of `v2g serve`, for its owner alone."""
        return self.prefect_home / "password"

    @property
    def serve_lock(self) -> Path:
        """Held by `v2g serve` while it lives."""
        return self.prefect_home / "serve.lock"

    @property
    def server_lock(self) -> Path:
        """Held by the server of `v2g serve` while it lives."""
        return self.prefect_home / "server.lock"

    @property
    def run_lock(self) -> Path:
        """Held by the process of a served flow run while it lives."""
        return self.prefect_home / "run.lock"

    def environment(self) -> dict[str, str]:
        """Variables that keep Prefect in the workspace and the engines quiet, here or in a child."""
        home = {
            "PREFECT_HOME": str(self.prefect_home),
            # Prefect would start a server that is open to everybody when it is given of none.
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
            "PREFECT_LOGGING_EXTRA_LOGGERS": "flows",
            "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        }
        return {**QUIET_ENVIRONMENT, **home}

    def enter(self) -> None:
        """Set `environment()` in this process; has to come before the first import of prefect."""
        os.environ.update(self.environment())


def _book(root: Path, name: str) -> TariffBook | None:
    if not name:
        return None
    from optimize.market.book import read_book

    return _terms(root, name, "[tariff] book", read_book)


def _contracts(root: Path, names: Sequence[str]) -> tuple[Contract, ...]:
    if not names:
        return ()
    from optimize.market.contract import read_contract

    return tuple(_terms(root, name, "[settle] contracts", read_contract) for name in names)


def _meter_keys(root: Path, name: str) -> Mapping[str, MeterKey]:
    if not name:
        return {}
    from flows.mapping.meter_keys import read_meter_keys

    return _terms(root, name, "[settle] meter_keys", read_meter_keys)


def _terms(root: Path, name: str, key: str, read: Callable[[str, str], T]) -> T:
    """What a file of the workspace says; raises SettingsError that names it."""
    from optimize.errors import TermsError

    try:
        return read((root / name).read_text(encoding="utf-8"), name)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{FILE_NAME}: {key} = {name!r}: cannot be read ({error})") from error
    except TermsError as error:
        raise SettingsError(str(error)) from error
