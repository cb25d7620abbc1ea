"""What may pass from raw to core: expectations built from the table contracts, and written checks.

- `check`: `check_frame`, the one way in · `types`: `CheckContext`, `CheckReport`
- `suites`: Great Expectations suites from contracts (the only importer of great_expectations)
- `prices`, `telemetry`, `checkups`: the written checks · `verdict`: findings → quarantine, out_check, blocked
- `errors`: the error tree

Great Expectations takes ten seconds to import: it is loaded when the first frame is checked, not before.
"""

from data_checks.check import check_frame
from data_checks.errors import CheckError, FrameError, SuiteError
from data_checks.types import CheckContext, CheckReport

__all__ = ["CheckContext", "CheckError", "CheckReport", "FrameError", "SuiteError", "check_frame"]
