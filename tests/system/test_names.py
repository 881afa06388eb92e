# SPDX-License-Identifier: Apache-2.0
"""NUL characters and other bytes that no name can have."""

import pytest

NUL = "a\0b"
BODY = {"assistant_id": "trivial", "input": {"x": 1}}
CASES = {
    "assistant": ("/assistants", {"graph_id": "agent", "name": NUL}, "name"),
    "graph": ("/assistants", {"graph_id": NUL}, "graph_id"),
    "description": ("/assistants", {"graph_id": "agent", "description": NUL}, "description"),
    "assistants by name": ("/assistants/search", {"name": NUL}, "name"),
    "runs of": ("/runs/wait", {**BODY, "assistant_id": NUL}, "assistant_id"),
    "checkpoint": ("/runs/wait", {**BODY, "checkpoint_id": NUL}, "checkpoint_id"),
    "schedule": ("/runs/crons", {**BODY, "schedule": "* * * * *\0"}, "schedule"),
}


@pytest.mark.smoke
@pytest.mark.parametrize("case", CASES)
def test_names_are_without_nul(api, case):
    path, body, field = CASES[case]
    got = api.request("POST", path, body)
    assert got.status == 422, got
    assert field in got.json()["detail"]


@pytest.mark.smoke
def test_bodies_may_have_it(api):
    thread = api.thread(metadata={NUL: NUL})
    assert api.get(f"/threads/{thread}")["metadata"][NUL] == NUL
    assert api.post(f"/threads/{thread}/runs/wait", {
        "assistant_id": "emit", "input": {"n": 1, NUL: NUL}}) is not None


@pytest.mark.smoke
def test_paths_are_utf8(api):
    got = api.request("GET", f"/threads/{api.thread()}/state/a%ffb")
    assert got.status == 400, got
    assert got.json() == {"detail": "broken escape in the path"}
