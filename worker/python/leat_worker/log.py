# SPDX-License-Identifier: Apache-2.0
"""Lines on standard error, as the other programs write them: time, level,
event, key=value pairs. Never payloads above debug, never secrets."""

import datetime
import os
import sys

LEVELS = {"debug": 0, "info": 1, "warn": 2, "error": 3, "off": 4}
_state = {"level": 1, "who": ""}


def setup(level, who):
    _state["level"] = LEVELS[level]
    _state["who"] = f" who={who}/{os.getpid()}"


def quote(value):
    text = str(value)
    if text and all(c > " " and c not in '"\\=\x7f' for c in text):
        return text if len(text) <= 1000 else text[:997] + "..."
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    text = "".join(c if c >= " " else f"\\x{ord(c):02x}" for c in text)
    return f'"{text[:1000]}..."' if len(text) > 1000 else f'"{text}"'


def write(level, event, **pairs):
    if LEVELS[level] < _state["level"]:
        return
    now = datetime.datetime.now(datetime.timezone.utc)
    words = [now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"), level, event]
    words += [f"{k}={quote(v)}" for k, v in pairs.items()]
    line = " ".join(words) + _state["who"] + "\n"
    try:
        sys.stderr.write(line)
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # nobody reads any more


def debug(event, **pairs):
    write("debug", event, **pairs)


def info(event, **pairs):
    write("info", event, **pairs)


def warn(event, **pairs):
    write("warn", event, **pairs)


def error(event, **pairs):
    write("error", event, **pairs)
