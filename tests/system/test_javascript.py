# SPDX-License-Identifier: Apache-2.0
"""The JavaScript SDK: each case of js/client.mjs, all run by one process."""

import json
import re

import pytest

from support.proc import ROOT

STACK_OPTIONS = ("--sse-heartbeat=200ms",)
SCRIPT = ROOT / "tests" / "system" / "js" / "client.mjs"
CASES = re.findall(r'^report\("([^"]+)"', SCRIPT.read_text(), re.M)


@pytest.fixture(scope="module")
def results(node, stack):
    return json.loads(node(SCRIPT.name, stack.url))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", CASES)
def test_case(name, results):
    assert "error" not in results[name], results[name]["error"]
