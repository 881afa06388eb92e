# SPDX-License-Identifier: Apache-2.0
"""Idempotency-Key: a request that is repeated starts no second run."""

import concurrent.futures

import pytest

from support import http
from support.api import Api, new_id
from support.wait import until


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


def at_once(n, call):
    with concurrent.futures.ThreadPoolExecutor(n) as pool:
        return list(pool.map(lambda _: call(), range(n)))


@pytest.mark.parametrize("stateless", [False, True])
def test_requests_at_the_same_time_are_one(api, stateless):
    thread = api.thread()
    path = "/runs" if stateless else f"/threads/{thread}/runs"
    key, body = new_id(), {"assistant_id": "sleeper", "input": {"ms": 50}}
    got = at_once(8, lambda: post(api, path, key, body))
    assert {g.status for g in got} == {200}
    assert len({g.json()["run_id"] for g in got}) == 1
    if not stateless:
        assert len(api.get(path)) == 1


def test_streams_at_the_same_time_are_one(api):
    path, key = f"/threads/{api.thread()}/runs/stream", new_id()
    body = {"assistant_id": "chain10", "input": {"n": 0}, "stream_mode": ["values"]}
    read = lambda: http.Open(api.url, "POST", path, body, {"Idempotency-Key": key}).read()
    got = at_once(4, read)
    assert len(set(got)) == 1 and got[0].count(b"event: metadata\n") == 1


@pytest.mark.parametrize("stateless", [False, True])
def test_a_wait_is_answered_again(api, stateless):
    path = "/runs/wait" if stateless else f"/threads/{api.thread()}/runs/wait"
    key, body = new_id(), {"assistant_id": "trivial", "input": {"x": 4}}
    got = [post(api, path, key, body) for _ in range(2)]
    assert [g.json() for g in got] == [{"x": 5}, {"x": 5}]
    assert got[0].headers["Content-Location"] == got[1].headers["Content-Location"]


def test_a_run_that_is_gone_is_not_made_again(api):
    """A run without a thread is deleted at its end; its key knows it still."""
    key, body = new_id(), {"assistant_id": "trivial", "input": {"x": 1}}
    first = post(api, "/runs", key, body).json()
    until(lambda: api.request("GET", f"/threads/{first['thread_id']}").status == 404,
          "the thread being deleted")
    again = post(api, "/runs", key, body).json()
    assert again == first
    assert api.request("GET", f"/threads/{first['thread_id']}").status == 404


def test_what_is_refused_leaves_its_key_free(api):
    thread = api.thread()
    path, key = f"/threads/{thread}/runs", new_id()
    busy = api.start(thread, "sleeper", input={"ms": 60000})
    body = {"assistant_id": "trivial", "input": {"x": 1}, "multitask_strategy": "reject"}
    assert post(api, path, key, body).status == 409
    api.cancel(busy, wait=True)
    got = until(lambda: (g := post(api, path, key, body)).status == 200 and g,
                "the key being free")
    run = {"run_id": got.json()["run_id"], "thread_id": thread}
    assert api.wait_status(run)["status"] == "success"


def test_what_is_invalid_leaves_its_key_free(api):
    path, key = f"/threads/{api.thread()}/runs", new_id()
    assert post(api, path, key, {"assistant_id": "trivial", "stream_mode": "none"}).status == 422
    assert post(api, path, key, {"assistant_id": "no such graph"}).status == 404
    assert post(api, f"/threads/{new_id()}/runs", key,
                {"assistant_id": "trivial"}).status == 404
    assert post(api, path, key, {"assistant_id": "trivial", "input": {"x": 1}}).status == 200


def test_another_path_is_another_request(api):
    thread, key = api.thread(), new_id()
    body = {"assistant_id": "trivial", "input": {"x": 1}}
    assert post(api, f"/threads/{thread}/runs", key, body).status == 200
    assert post(api, f"/threads/{thread}/runs/wait", key, body).status == 422


def test_a_key_that_is_too_long(api):
    path = f"/threads/{api.thread()}/runs"
    body = {"assistant_id": "trivial", "input": {"x": 1}}
    got = post(api, path, "k" * 256, body)
    assert got.status == 422 and "Idempotency-Key" in got.json()["detail"]
    assert post(api, path, "k" * 255, body).status == 200


def test_a_batch_again(api):
    key, body = new_id(), [{"assistant_id": "trivial", "input": {"x": x}} for x in range(3)]
    first, second = (post(api, "/runs/batch", key, body).json() for _ in range(2))
    assert [r["run_id"] for r in first] == [r["run_id"] for r in second]
    assert len({r["run_id"] for r in first}) == 3
    assert post(api, "/runs/batch", key, body[:2] + body[:1]).status == 422


def test_keys_are_forgotten_after_their_time(dev):
    api = Api(dev("--idempotency-ttl=1ms").url)
    path, key = f"/threads/{api.thread()}/runs", new_id()
    body = {"assistant_id": "trivial", "input": {"x": 1}}
    ids = {post(api, path, key, body).json()["run_id"] for _ in range(3)}
    assert len(ids) > 1
