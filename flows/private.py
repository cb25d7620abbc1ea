"""What is written about drivers, cars and prices is for the eyes of who runs the planner alone."""

from __future__ import annotations

import os


def keep_private() -> None:
    """Let this process and its children make files of mode 0600 and folders of mode 0700 from now on."""
    os.umask(0o077)
