# SPDX-License-Identifier: Apache-2.0
"""Requests about threads and assistants that were recorded with the JavaScript
server, sent again in their order: the same status and the same fields, but
where the specification says otherwise."""

import json
import re

import pytest

from support.proc import ROOT

RECORDED = ROOT.parent / "shared" / "recorded" / "js-server"
UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
# The files, by number, and what the specification has instead of their status.
NUMBERS = [27, 114, 115, 116, 123, *range(263, 300)]
OTHERWISE = {
    270: 404,  # a graph that no worker ever had
    272: 422,  # validation
    293: 404, 294: 404, 295: 404,  # graphs that do not ship
    296: 200,  # no JSON is asked of a GET
    297: 204,
}

pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recordings are not here")


def read(path):
    """Method, path, body, status, answer."""
    sent, got = path.read_text().split("### RESPONSE", 1)
    head, body = sent.split("\n", 1)[1].split("\n\n", 1)
    method, target, _ = head.split("\n", 1)[0].split(" ")
    answer_head, _, answer = got.split("\n", 1)[1].partition("\n\n")
    return method, target, body.strip(), int(answer_head.split(" ")[1]), answer.strip()


def fields(value):
    """The names of a JSON object, or of those in a list."""
    if isinstance(value, list):
        return fields(value[0]) if value else set()
    return set(value) if isinstance(value, dict) else set()


def learn(ids, recorded, ours):
    """Which of our ids stands for a recorded one."""
    for key in ("thread_id", "assistant_id"):
        if isinstance(recorded, dict) and isinstance(ours, dict) and key in recorded:
            ids[recorded[key]] = ours[key]


def test_replayed(api):
    ids = {"01a209c7-4490-7100-87b5-705d39aa6718": api.thread()}
    wrong = []
    for number in NUMBERS:
        (path,) = RECORDED.glob(f"{number:03}-*.http")
        method, target, body, status, answer = read(path)
        known = lambda m: ids.get(m[0], m[0])
        got = api.request(method, UUID.sub(known, target), UUID.sub(known, body) or None)
        if got.status != OTHERWISE.get(number, status):
            wrong.append((path.name, status, got))
        elif status == 200 and got.status == 200:
            recorded, ours = json.loads(answer), got.json()
            learn(ids, recorded, ours)
            missing = fields(recorded) - fields(ours)
            if missing:
                wrong.append((path.name, missing, ours))
    assert wrong == []
