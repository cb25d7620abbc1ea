"""What may pass from raw to core: expectations built from the table contracts, and written checks.

- `check`: `check_frame`, the one way in · `types`: `CheckContext`, `CheckReport` · `merge`: `combined_checks`
- `suites`: Great Expectations suites from contracts (the only importer of great_expectations)
- written checks: `prices`, `sessions`, `checkups`, `fleet`, `metering`
- of whole files: `units`; of one file's rows: `duplicates`, `readings` (several of one stamp)
- of telemetry: `telemetry` (clock, power, spikes), `cells` (voltage, charge), `charge` (current), `stuck`
- of telemetry's cells, whose rows stay: `soc` (never reported, stale, jumps), `emptied` (how it is reported)
- `freshness`: how old the newest rows are
- what they stand on: `owners` (whose row), `packs` (which battery), `series` (neighbours in time)
- `verdict`: findings → quarantine, out_check, blocked · `errors`: the error tree

Great Expectations takes ten seconds to import: it is loaded when the first frame is checked, not before.
"""

from data_checks.check import check_frame, contract_faults
from data_checks.errors import CheckError, FrameError, SuiteError
from data_checks.freshness import freshness
from data_checks.merge import combined_checks
from data_checks.sessions import replaced
from data_checks.types import CheckContext, CheckReport

__all__ = [
    "CheckContext",
    "CheckError",
    "CheckReport",
    "FrameError",
    "SuiteError",
    "check_frame",
    "combined_checks",
    "contract_faults",
    "freshness",
    "replaced",
]
