# SPDX-License-Identifier: Apache-2.0
"""The graphs of the recorded traces, built with LangGraph: `tNAME` is the one
that LEAT_TRACES/NAME.json describes."""
import functools
import json
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "conformance"))
import expect  # noqa: E402


@functools.cache
def __getattr__(name):
    if not name.startswith("t"):
        raise AttributeError(name)
    path = pathlib.Path(os.environ["LEAT_TRACES"]) / f"{name[1:]}.json"
    if not path.is_file():
        raise AttributeError(name)
    return expect.Scenario(json.loads(path.read_text())["graphs"]).build("main")
