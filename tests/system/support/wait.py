# SPDX-License-Identifier: Apache-2.0
"""Waiting for conditions with a deadline: the only way these tests wait."""

import threading
import time

_never = threading.Event()


def until(condition, what="the condition", seconds=15, pause=0.01):
    """The first true value of condition(); fails after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds} s; last value {value!r}")
        _never.wait(pause)


def equals(get, wanted, seconds=15):
    """Waits until get() is `wanted`; the failure shows what it was instead."""
    deadline = time.monotonic() + seconds
    while True:
        value = get()
        if value == wanted:
            return value
        if time.monotonic() > deadline:
            assert value == wanted
        _never.wait(0.01)
