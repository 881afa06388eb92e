# SPDX-License-Identifier: Apache-2.0
"""Keys with owners: what is another's is not there, on any route."""

import hashlib
import re

import pytest

from support.api import Api, new_id
from support.proc import ROOT, Stack

ROUTE = re.compile(r'ROUTE\((\w+), "([^"]+)", (\w+),\s*([^)]+)\)')
TABLE = ROUTE.findall((ROOT / "gateway/routes.tbl.h").read_text().split("*/", 2)[-1])
SLOW = {"messages": [], "steps": 1}


@pytest.fixture(scope="module")
def tenants(tmp_path_factory, new_store):
    folder = tmp_path_factory.mktemp("tenants")
    keys = folder / "keys"
    keys.write_text(f"# hashed\n{hashlib.sha256(b'key of bob').hexdigest()} bob\n")
    started = Stack.dev(folder / "stack", "--api-key", "key of ann=ann", "--api-key", "admin",
                        f"--api-keys-file={keys}", "--key-streams=3", store=new_store())
    yield started
    started.close()


@pytest.fixture
def ann(tenants):
    return Api(tenants.url, "key of ann")


@pytest.fixture
def bob(tenants):
    return Api(tenants.url, "key of bob")


@pytest.fixture
def admin(tenants):
    return Api(tenants.url, "admin")


@pytest.fixture
def theirs(ann):
    """Everything of Ann's that has an id."""
    thread = ann.thread(metadata={"of": "ann"})
    run = ann.start(thread, "trivial", input={"x": 1})
    ann.wait_status(run)
    made = {"thread_id": thread, "run_id": run["run_id"],
            "checkpoint_id": ann.state(thread)["checkpoint"]["checkpoint_id"]}
    for field, path, body in (
            ("assistant_id", "/assistants", {"graph_id": "trivial", "metadata": {"of": "ann"}}),
            ("cron_id", "/runs/crons", {"assistant_id": "trivial", "schedule": "0 0 1 1 *",
                                        "metadata": {"of": "ann"}})):
        got = ann.request("POST", path, body)
        if got.status != 404 and got.status != 405:
            made[field] = got.json()[field]
    return made


BODIES = {
    "state_at": lambda ids: {"checkpoint": {"checkpoint_id": ids["checkpoint_id"]}},
    "state_update": lambda ids: {"values": {"x": 5}},
    "runs_": lambda ids: {"assistant_id": "trivial", "input": {"x": 1}},
    "crons_create": lambda ids: {"assistant_id": "trivial", "schedule": "0 0 1 1 *"},
    "crons_thread": lambda ids: {"assistant_id": "trivial", "schedule": "0 0 1 1 *"},
    "assistants_latest": lambda ids: {"version": 1},
}


def body_of(handler, flags, ids):
    if "JSON" not in flags:
        return None
    for start, make in BODIES.items():
        if handler.startswith(start):
            return make(ids)
    return {}


def filled(path, ids):
    return re.sub(r"\{(\w+)\}", lambda m: ids.get(m[1], "x"), path)


WITH_IDS = [row for row in TABLE if "{" in row[1]]


@pytest.mark.smoke
@pytest.mark.parametrize("method, path, handler, flags", WITH_IDS,
                         ids=[f"{m}-{p}" for m, p, *_ in WITH_IDS])
def test_another_owners_ids_are_404(theirs, ann, bob, admin, method, path, handler, flags):
    if any(name not in theirs and name not in ("namespace", "file")
           for name in re.findall(r"\{(\w+)\}", path)):
        pytest.fail(f"nothing of Ann's fits {path}")
    got = bob.request(method, filled(path, theirs), body_of(handler, flags, theirs))
    if got.status == 501:
        return  # nothing is told by what is not there for anybody
    assert got.status == 404, got
    # It is all there still, and untouched, for her and who sees everything.
    for who in (ann, admin):
        assert who.run({"thread_id": theirs["thread_id"], "run_id": theirs["run_id"]})[
            "status"] == "success"
        assert who.get(f"/threads/{theirs['thread_id']}")["values"] == {"x": 2}
        if "assistant_id" in theirs:
            assert who.get(f"/assistants/{theirs['assistant_id']}")["version"] == 1


def search(who, path):
    return who.post(path, {"limit": 1000, "metadata": {"of": "ann"}})


@pytest.mark.parametrize("path", ["/threads", "/assistants", "/runs/crons"])
def test_lists_show_ones_own(theirs, ann, bob, admin, path):
    if ("POST", f"{path}/search") not in [row[:2] for row in TABLE]:
        pytest.skip("comes later")
    assert search(bob, f"{path}/search") == []
    assert bob.post(f"{path}/count", {"metadata": {"of": "ann"}}) == 0
    mine = search(ann, f"{path}/search")
    assert mine and mine == search(admin, f"{path}/search")
    assert ann.post(f"{path}/count", {"metadata": {"of": "ann"}}) == len(mine)


def test_what_nobody_owns_is_for_those_who_see_everything(ann, admin):
    thread = admin.thread()
    assert ann.request("GET", f"/threads/{thread}").status == 404
    assert admin.get(f"/threads/{thread}")["thread_id"] == thread


def test_system_assistants_are_everybodys(ann, bob):
    for who in (ann, bob):
        names = {a["graph_id"] for a in who.post("/assistants/search", {
            "limit": 100, "metadata": {"created_by": "system"}})}
        assert {"agent", "trivial"} <= names
        assert who.post("/runs/wait", {"assistant_id": "trivial", "input": {"x": 1}}) == {"x": 2}


def test_system_assistants_are_not_an_owners_to_change(ann, admin):
    before = admin.get("/assistants/trivial")
    for method, tail, body in (("PATCH", "", {"name": "mine"}), ("DELETE", "", None),
                               ("POST", "/latest", {"version": 1})):
        got = ann.request(method, f"/assistants/{before['assistant_id']}{tail}", body)
        assert got.status == 403, got
    assert ann.request("POST", "/internal/truncate", {"store": True}).status == 403
    assert admin.get("/assistants/trivial") == before


def test_items_are_their_owners(ann, bob, admin):
    item = {"namespace": ["tenants"], "key": "k", "value": {"v": 1}}
    assert ann.request("PUT", "/store/items", item).status == 204
    where = "/store/items?namespace=tenants&key=k"
    assert bob.get(where) is None
    assert ann.get(where)["value"] == admin.get(where)["value"] == {"v": 1}
    for who, found in ((ann, 1), (bob, 0), (admin, 1)):
        prefix = {"namespace_prefix": ["tenants"]}
        assert len(who.post("/store/items/search", prefix)["items"]) == found
        assert len(who.post("/store/namespaces", {"prefix": ["tenants"]})["namespaces"]) == found
    name = {"namespace": ["tenants"], "key": "k"}
    assert bob.request("DELETE", "/store/items", name).status == 204
    assert ann.get(where)["value"] == {"v": 1}
    assert bob.request("PUT", "/store/items", {**item, "value": {"v": 2}}).status == 204
    assert (ann.get(where)["value"], bob.get(where)["value"]) == ({"v": 1}, {"v": 2})


def test_nodes_act_as_their_runs_owner(ann, bob):
    ann.post("/runs/wait", {"assistant_id": "agent", "input": {"messages": [
        {"role": "human", "content": "hi"}]}, "config": {"configurable": {"user_id": "u9"}}})
    where = "/store/items?namespace=sharedState.data&key=user_id"
    assert ann.get(where) is not None and bob.get(where) is None


def test_a_taken_thread_id_is_a_conflict(theirs, bob):
    for how in ("raise", "do_nothing"):
        got = bob.request("POST", "/threads", {"thread_id": theirs["thread_id"], "if_exists": how})
        assert got.status in (404, 409), got
    for route in ("", "/stream", "/wait"):
        got = bob.request("POST", f"/threads/{theirs['thread_id']}/runs{route}", {
            "assistant_id": "trivial", "if_not_exists": "create"})
        assert got.status == 404, got


def test_stateless_runs_are_their_owners(ann, bob, admin):
    """Those that live in memory, while they go on and afterwards."""
    with ann.stream("/runs/stream", {"assistant_id": "sleeper", "input": {"ms": 1000}}) as opened:
        run = opened.event("metadata").data["run_id"]
        for tail in ("stream", "join"):
            assert bob.request("GET", f"/runs/{run}/{tail}").status == 404
        assert admin.request("GET", f"/runs/{run}/join").status == 200
    for who, status in ((bob, 404), (ann, 200), (admin, 200)):
        got = who.request("GET", f"/runs/{run}/stream", headers={"Last-Event-ID": "-1"})
        assert got.status == status, got


def test_a_run_by_another_key_is_its_threads_owners(theirs, admin, ann):
    run = admin.start(theirs["thread_id"], "trivial", input={"x": 1})
    admin.wait_status(run)
    kwargs = ann.run(run)["kwargs"]
    assert kwargs["config"]["configurable"]["langgraph_auth_user_id"] == "ann"


def test_who_acts_is_not_for_clients_to_say(ann, admin):
    spoof = {"configurable": {"langgraph_auth_user_id": "bob",
                              "langgraph_auth_user": {"identity": "bob"}}}
    for who, owner in ((ann, "ann"), (admin, None)):
        run = who.start(who.thread(), "trivial", input={"x": 1}, config=spoof)
        configurable = run["kwargs"]["config"]["configurable"]
        assert configurable.get("langgraph_auth_user_id") == owner
        assert configurable.get("langgraph_auth_user", {}).get("identity") == owner
        who.wait_status(run)


def test_streams_of_one_key_are_limited(ann, bob):
    body = {"assistant_id": "sleeper", "input": {"ms": 3000}}
    opened = [ann.stream("/runs/stream", body) for _ in range(3)]
    got = ann.request("POST", "/runs/stream", body)
    assert got.status == 429 and "--key-streams" in got.json()["detail"]
    assert got.headers["Retry-After"]
    assert bob.request("POST", "/runs/wait", {"assistant_id": "trivial"}).status == 200
    for one in opened:
        one.close()
