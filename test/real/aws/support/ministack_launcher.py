#!/usr/bin/env python3
"""Starts MiniStack 1.5.33 for the tests, with what they need beyond it. Look at each again with another version.

1. One-time schedules are looked at every 0.1 s instead of every 10 s.
2. The scheduler's clock can be moved: it runs ahead by the seconds in the file that CLOCK_AHEAD_FILE names.
"""
import os
import sys
import time
import types
from importlib.metadata import version

assert version("ministack") == "1.5.33", "look at the changes below again with this version of MiniStack"

from ministack.services import scheduler

scheduler._SCHEDULE_TICK_INTERVAL = 0.1

_ahead_file = os.environ.get("CLOCK_AHEAD_FILE", "")


def _ahead():
    try:
        with open(_ahead_file, encoding="ascii") as file:
            return float(file.read() or 0)
    except FileNotFoundError:
        return 0.0


_shifted = types.ModuleType("time")
_shifted.__dict__.update(time.__dict__)
_shifted.time = lambda: time.time() + _ahead()
scheduler.time = _shifted

from ministack.app import main

sys.exit(main())
