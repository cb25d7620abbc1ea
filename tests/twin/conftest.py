from __future__ import annotations

import os

# One core a process, and nothing that calls home; before PyBaMM is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("PYBAMM_DISABLE_TELEMETRY", "true")
