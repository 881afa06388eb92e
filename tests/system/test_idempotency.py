# SPDX-License-Identifier: Apache-2.0
"""Idempotency-Key: a request that is repeated starts no second run."""

import pytest

from support import http
from support.api import new_id


def post(api, path, key, body):
    return api.request("POST", path, body, {"Idempotency-Key": key})


@pytest.mark.parametrize("stateless", [False, True])
def test_the_same_run_again(api, stateless):
    path = "/runs" if stateless else f"/threads/{api.thread()}/runs"
    key, body = new_id(), {"assistant_id": "sleeper", "input": {"ms": 100}}
    first, second = (post(api, path, key, body) for _ in range(2))
    assert (first.status, second.status) == (200, 200)
    assert first.json()["run_id"] == second.json()["run_id"]
    other = post(api, path, new_id(), body)
    assert other.json()["run_id"] != first.json()["run_id"]


def test_another_body_is_refused(api):
    path, key = f"/threads/{api.thread()}/runs", new_id()
    body = {"assistant_id": "trivial", "input": {"x": 1}}
    assert post(api, path, key, body).status == 200
    got = post(api, path, key, {**body, "input": {"x": 2}})
    assert got.status == 422
    assert "Idempotency-Key" in got.json()["detail"]
    assert len(api.get(path)) == 1


def test_a_stream_is_replayed(api):
    path, key = f"/threads/{api.thread()}/runs/stream", new_id()
    body = {"assistant_id": "trivial", "input": {"x": 1}, "stream_mode": ["values", "updates"]}
    headers = {"Idempotency-Key": key}
    streams = [http.Open(api.url, "POST", path, body, headers).read() for _ in range(2)]
    assert streams[0] == streams[1]
    assert streams[0].count(b"event: metadata\n") == 1
