# SPDX-License-Identifier: Apache-2.0
"""Assistants and threads as the Python SDK has them, every method once; what
bodies must not hold; threads with an end."""

import datetime
import json

import pytest
from langgraph_sdk import get_sync_client

from support.api import new_id
from support.mask import drop
from support.wait import until

STACK_OPTIONS = ("--thread-sweep=50ms",)


@pytest.fixture
def client(stack):
    return get_sync_client(url=stack.url)


# -- the SDK's methods ------------------------------------------------------------------

@pytest.mark.smoke
def test_assistants(client):
    """Every method of assistants, in the order of a life."""
    mark = new_id()
    made = client.assistants.create(
        "agent", {"tags": ["t"]}, context={"k": 1}, metadata={"mark": mark, "deep": {"a": 1}},
        assistant_id=new_id(), if_exists="raise", name="First of All", description="about")
    ident = made["assistant_id"]
    assert drop(made, "assistant_id", "created_at", "updated_at") == {
        "graph_id": "agent", "config": {"tags": ["t"]}, "context": {"k": 1},
        "metadata": {"mark": mark, "deep": {"a": 1}}, "version": 1, "name": "First of All",
        "description": "about"}
    assert client.assistants.get(ident) == made
    assert client.assistants.create("agent", assistant_id=ident, if_exists="do_nothing") == made
    second = client.assistants.update(ident, metadata={"deep": {"b": 2}}, name="Second")
    assert drop(second, "updated_at") == {
        **drop(made, "updated_at"), "version": 2, "name": "Second",
        "metadata": {"mark": mark, "deep": {"b": 2}}}
    assert client.assistants.update(ident)["version"] == 3, "also without any change"
    versions = client.assistants.get_versions(ident)
    assert [v["version"] for v in versions] == [3, 2, 1]
    assert versions[2] == drop(made, "updated_at")
    assert client.assistants.get_versions(ident, metadata={"deep": {"a": 1}}) == versions[2:]
    assert client.assistants.get_versions(ident, limit=1, offset=1) == versions[1:2]
    back = client.assistants.set_latest(ident, 1)
    assert drop(back, "updated_at") == drop(made, "updated_at")
    assert client.assistants.update(ident, description="more")["version"] == 4
    found = client.assistants.search(metadata={"mark": mark}, graph_id="agent", name="FIRST OF",
                                     sort_by="name", sort_order="asc",
                                     select=["assistant_id", "version"])
    assert found == [{"assistant_id": ident, "version": 4}]
    page = client.assistants.search(limit=1, response_format="object")
    assert (len(page["assistants"]), page["next"]) == (1, "1")
    assert client.assistants.count(metadata={"mark": mark}, graph_id="agent", name="first") == 1
    assert client.assistants.count(metadata={"mark": mark}, graph_id="weather") == 0
    assert client.assistants.delete(ident) is None
    assert client.assistants.count(metadata={"mark": mark}) == 0


def test_graphs(client):
    """Drawings and schemas: the same by name and by id, deeper with xray."""
    ident = client.assistants.search(graph_id="weather", limit=1)[0]["assistant_id"]
    flat = client.assistants.get_graph("weather")
    assert client.assistants.get_graph(ident) == flat
    names = {n["id"] for n in flat["nodes"]}
    assert {"__start__", "__end__"} <= names
    assert all(e["source"] in names and e["target"] in names for e in flat["edges"])
    deep = client.assistants.get_graph("weather", xray=True)
    assert len(deep["nodes"]) > len(flat["nodes"])
    assert client.assistants.get_graph("weather", xray=1) == deep
    schemas = client.assistants.get_schemas("agent")
    assert set(schemas) == {"graph_id", "input_schema", "output_schema", "state_schema",
                            "config_schema", "context_schema"}
    assert schemas["graph_id"] == "agent"
    assert "messages" in schemas["state_schema"]["properties"]
    inner = client.assistants.get_subgraphs("weather", recurse=True)
    assert inner and all("state_schema" in v and "graph_id" not in v for v in inner.values())
    name = next(iter(inner))
    assert client.assistants.get_subgraphs("weather", name) == {name: inner[name]}
    assert client.assistants.get_subgraphs("trivial") == {}


@pytest.mark.smoke
def test_threads(client):
    """Every method of threads, in the order of a life."""
    mark = new_id()
    made = client.threads.create(thread_id=new_id(), metadata={"mark": mark}, graph_id="chain10",
                                 ttl=60)
    ident = made["thread_id"]
    assert drop(made, "created_at", "updated_at", "state_updated_at") == {
        "thread_id": ident, "metadata": {"mark": mark, "graph_id": "chain10"}, "config": {},
        "status": "idle", "values": None, "interrupts": {}, "error": None}
    assert client.threads.create(thread_id=ident, if_exists="do_nothing") == made
    shown = client.threads.get(ident, include=["ttl"])
    assert drop(shown, "ttl") == made
    assert drop(shown["ttl"], "expires_at") == {"strategy": "delete", "ttl_minutes": 60}
    left = datetime.datetime.fromisoformat(shown["ttl"]["expires_at"]) - \
        datetime.datetime.fromisoformat(made["created_at"])
    assert 3599 < left.total_seconds() < 3660
    patched = client.threads.update(ident, metadata={"more": [1, {"x": 1}]})
    assert patched["metadata"] == {**made["metadata"], "more": [1, {"x": 1}]}
    assert client.threads.update(ident, metadata={"n": 1}, return_minimal=True) is None
    client.runs.wait(ident, "chain10", input={"x": 0})
    state = client.threads.get_state(ident)
    assert (state["values"], state["next"]) == ({"x": 10}, [])
    history = client.threads.get_history(ident, limit=100)
    assert history[0] == state
    assert client.threads.get_history(ident, limit=2, before=history[0]["checkpoint"],
                                      metadata={"source": "loop"}) == history[1:3]
    assert client.threads.get_history(ident, checkpoint={"checkpoint_ns": ""}, limit=1) == \
        history[:1]
    at = history[4]["checkpoint"]
    assert client.threads.get_state(ident, checkpoint=at) == history[4]
    assert client.threads.get_state(ident, checkpoint_id=at["checkpoint_id"]) == history[4]
    got = client.threads.update_state(ident, {"x": 100}, as_node="n7", checkpoint=at)
    assert drop(got["checkpoint"], "checkpoint_id") == {"thread_id": ident, "checkpoint_ns": ""}
    assert client.threads.get(ident)["values"] == {"x": 100}
    assert client.threads.update_state(ident, None)["checkpoint"]["thread_id"] == ident
    found = client.threads.search(
        metadata={"mark": mark, "more": [{"x": 1}]}, values={"x": 100}, ids=[ident],
        status="idle", limit=5, offset=0, sort_by="state_updated_at", sort_order="asc",
        select=["thread_id", "values"], extract={"x": "values.x", "m": "metadata.more[-1].x"})
    assert found == [{"thread_id": ident, "values": {"x": 100}, "extracted": {"x": 100, "m": 1}}]
    assert client.threads.count(metadata={"mark": mark}, values={"x": 100}, status="idle") == 1
    assert client.threads.count(metadata={"mark": mark}, status="error") == 0
    client.threads.copy(ident)
    assert client.threads.count(metadata={"mark": mark}) == 2
    other = next(t["thread_id"] for t in client.threads.search(metadata={"mark": mark})
                 if t["thread_id"] != ident)
    assert client.threads.get_state(other)["values"] == {"x": 100}
    assert client.threads.prune([other, new_id()], strategy="keep_latest") == {"pruned_count": 1}
    assert len(client.threads.get_history(other)) == 1
    assert client.threads.prune([other]) == {"pruned_count": 1}
    assert client.threads.delete(ident) is None
    assert client.threads.count(metadata={"mark": mark}) == 0


# -- beside the SDK ---------------------------------------------------------------------

def test_several_values_at_once(api):
    """A list of objects is written one after the other, as one checkpoint."""
    thread = api.thread()
    said = [{"role": "human", "content": "one", "id": "m1"},
            {"role": "human", "content": "two", "id": "m2"}]
    api.run_stream(thread, "agent", input={"messages": said[:1]})
    before = len(api.post(f"/threads/{thread}/history", {"limit": 100}))
    api.post(f"/threads/{thread}/state", {
        "values": [{"messages": [said[1]]}, {"keyOne": "x"}], "as_node": "agent"})
    state = api.state(thread)
    assert state["values"]["messages"][-1]["content"] == "two"
    assert state["values"]["keyOne"] == "x"
    assert len(api.post(f"/threads/{thread}/history", {"limit": 100})) == before + 1


def test_storage(api):
    thread = api.thread()
    empty = {"count": 0, "bytes": 0}
    assert api.get(f"/threads/{thread}/storage") == {
        "thread_id": thread, "total_bytes": 0, "checkpoints": empty,
        "channel_values": {**empty, "by_channel": {}}, "pending_writes": empty}
    big = "b" * 2000
    api.run_stream(thread, "agent",
                   input={"messages": [{"role": "human", "content": big, "id": "m1"}]})
    got = api.get(f"/threads/{thread}/storage")
    assert got["checkpoints"]["count"] == 5
    channels = got["channel_values"]["by_channel"]
    assert channels["messages"]["versions"] >= 4
    assert channels["messages"]["bytes"] > 2000
    assert got["channel_values"]["bytes"] == sum(c["bytes"] for c in channels.values())
    assert got["channel_values"]["count"] == sum(c["versions"] for c in channels.values())
    assert got["total_bytes"] == sum(got[k]["bytes"] for k in (
        "checkpoints", "channel_values", "pending_writes"))
    assert api.request("GET", f"/threads/{new_id()}/storage").status == 404


def test_delete_an_assistant_with_threads(api):
    """Its runs are stopped; with delete_threads their threads go, too."""
    kept, gone = api.thread(), api.thread()
    for thread, query in ((kept, ""), (gone, "?delete_threads=true")):
        ident = api.post("/assistants", {"graph_id": "sleeper"})["assistant_id"]
        run = api.start(thread, ident, input={"ms": 60000})
        api.wait_status(run, "running")
        assert api.request("DELETE", f"/assistants/{ident}{query}").status == 204
        assert api.request("GET", f"/assistants/{ident}").status == 404
        assert api.request("GET", f"/threads/{thread}/runs/{run['run_id']}").status == 404
    assert api.get(f"/threads/{kept}")["status"] != "busy"
    assert api.request("GET", f"/threads/{gone}").status == 404


def test_prune_leaves_busy_threads(api):
    thread = api.thread()
    run = api.start(thread, "trivial", input={"x": 1}, after_seconds=3600)
    for strategy in ("delete", "keep_latest"):
        assert api.post("/threads/prune", {"thread_ids": [thread], "strategy": strategy}) == {
            "pruned_count": 0}
    assert api.run(run)["status"] == "pending"


def test_old_patch_of_a_state(api):
    thread = api.thread(metadata={"a": 1})
    assert api.ok("PATCH", f"/threads/{thread}/state", {"metadata": {"b": 2}})["metadata"] == {
        "a": 1, "b": 2}


def test_latest_by_query(api):
    ident = api.post("/assistants", {"graph_id": "trivial"})["assistant_id"]
    api.ok("PATCH", f"/assistants/{ident}", {"name": "two"})
    assert api.post(f"/assistants/{ident}/latest?version=1")["version"] == 1
    assert api.request("POST", f"/assistants/{ident}/latest", {"version": 9}).status == 404
    assert api.request("POST", f"/assistants/{ident}/latest", {}).status == 422


# -- what is not taken --------------------------------------------------------------------

THREAD = "/threads/{thread}"
ASSISTANT = "/assistants/{assistant}"
BAD = [
    ("POST", "/assistants", {}, "graph_id"),
    ("POST", "/assistants", {"graph_id": 1}, "graph_id"),
    ("POST", "/assistants", {"graph_id": "agent", "assistant_id": "x"}, "assistant_id"),
    ("POST", "/assistants", {"graph_id": "agent", "config": []}, "config"),
    ("POST", "/assistants", {"graph_id": "agent", "config": {"tags": [1]}}, "config.tags[0]"),
    ("POST", "/assistants", {"graph_id": "agent", "config": {"configurable": 1}},
     "config.configurable"),
    ("POST", "/assistants", {"graph_id": "agent", "config": {"recursion_limit": 0}},
     "config.recursion_limit"),
    ("POST", "/assistants", {"graph_id": "agent", "context": 1}, "context"),
    ("POST", "/assistants", {"graph_id": "agent", "metadata": "x"}, "metadata"),
    ("POST", "/assistants", {"graph_id": "agent", "name": 1}, "name"),
    ("POST", "/assistants", {"graph_id": "agent", "description": 1}, "description"),
    ("POST", "/assistants", {"graph_id": "agent", "if_exists": "x"}, "if_exists"),
    ("PATCH", ASSISTANT, {"graph_id": ""}, "graph_id"),
    ("PATCH", ASSISTANT, {"config": 1}, "config"),
    ("PATCH", ASSISTANT, {"metadata": []}, "metadata"),
    ("DELETE", ASSISTANT + "?delete_threads=x", None, "delete_threads"),
    ("GET", ASSISTANT + "/graph?xray=x", None, "xray"),
    ("GET", ASSISTANT + "/graph?xray=-1", None, "xray"),
    ("GET", ASSISTANT + "/subgraphs?recurse=x", None, "recurse"),
    ("POST", ASSISTANT + "/versions", {"limit": 0}, "limit"),
    ("POST", ASSISTANT + "/versions", {"offset": -1}, "offset"),
    ("POST", ASSISTANT + "/versions", {"metadata": 1}, "metadata"),
    ("POST", ASSISTANT + "/latest", {"version": "1"}, "version"),
    ("POST", ASSISTANT + "/latest", {"version": 0}, "version"),
    ("POST", "/assistants/search", {"name": 1}, "name"),
    ("POST", "/assistants/search", {"sort_by": "x"}, "sort_by"),
    ("POST", "/assistants/search", {"sort_order": "x"}, "sort_order"),
    ("POST", "/assistants/search", {"select": ["x"]}, "select[0]"),
    ("POST", "/assistants/count", {"graph_id": 1}, "graph_id"),
    ("POST", "/threads", {"thread_id": "x"}, "thread_id"),
    ("POST", "/threads", {"metadata": 1}, "metadata"),
    ("POST", "/threads", {"if_exists": 1}, "if_exists"),
    ("POST", "/threads", {"ttl": "1"}, "ttl"),
    ("POST", "/threads", {"ttl": 0}, "ttl"),
    ("POST", "/threads", {"ttl": {}}, "ttl.ttl"),
    ("POST", "/threads", {"ttl": {"ttl": -1}}, "ttl.ttl"),
    ("POST", "/threads", {"ttl": {"ttl": 1, "strategy": "x"}}, "ttl.strategy"),
    ("POST", "/threads", {"supersteps": [1]}, "supersteps[0]"),
    ("POST", "/threads", {"supersteps": [{"updates": [{"as_node": 1}]}]},
     "supersteps[0].updates[0].as_node"),
    ("POST", "/threads", {"supersteps": [{"updates": [{"values": 1}]}]},
     "supersteps[0].updates[0].values"),
    ("POST", "/threads/search", {"metadata": []}, "metadata"),
    ("POST", "/threads/search", {"values": 1}, "values"),
    ("POST", "/threads/search", {"status": "x"}, "status"),
    ("POST", "/threads/search", {"ids": ["x"]}, "ids[0]"),
    ("POST", "/threads/search", {"ids": "x"}, "ids"),
    ("POST", "/threads/search", {"limit": 1001}, "limit"),
    ("POST", "/threads/search", {"limit": True}, "limit"),
    ("POST", "/threads/search", {"offset": 1.5}, "offset"),
    ("POST", "/threads/search", {"sort_by": "name"}, "sort_by"),
    ("POST", "/threads/search", {"select": "x"}, "select"),
    ("POST", "/threads/search", {"select": ["thread_id", "x"]}, "select[1]"),
    ("POST", "/threads/search", {"extract": []}, "extract"),
    ("POST", "/threads/search", {"extract": {"a": "x.y"}}, "extract.a"),
    ("POST", "/threads/search", {"extract": {"a": "values..y"}}, "extract.a"),
    ("POST", "/threads/search", {"extract": {"a": "values.y["}}, "extract.a"),
    ("POST", "/threads/search", {"extract": {"a": "values[x]"}}, "extract.a"),
    ("POST", "/threads/search", {"extract": {str(n): "values" for n in range(11)}}, "extract"),
    ("POST", "/threads/count", {"status": 1}, "status"),
    ("POST", "/threads/prune", {}, "thread_ids"),
    ("POST", "/threads/prune", {"thread_ids": [1]}, "thread_ids[0]"),
    ("POST", "/threads/prune", {"thread_ids": [], "strategy": "x"}, "strategy"),
    ("PATCH", THREAD, {"metadata": 1}, "metadata"),
    ("PATCH", THREAD, {"ttl": []}, "ttl"),
    ("POST", THREAD + "/state", {"values": 1}, "values"),
    ("POST", THREAD + "/state", {"values": [1]}, "values"),
    ("POST", THREAD + "/state", {"values": {}, "as_node": 1}, "as_node"),
    ("POST", THREAD + "/state", {"values": {}, "checkpoint": 1}, "checkpoint"),
    ("POST", THREAD + "/state", {"values": {}, "checkpoint_id": 1}, "checkpoint_id"),
    ("POST", THREAD + "/state/checkpoint", {"checkpoint": []}, "checkpoint"),
    ("POST", THREAD + "/state/checkpoint", {"checkpoint": {}, "subgraphs": 1}, "subgraphs"),
    ("GET", THREAD + "/state?subgraphs=x", None, "subgraphs"),
    ("GET", THREAD + "/history?limit=0", None, "limit"),
    ("POST", THREAD + "/history", {"before": 1}, "before"),
    ("POST", THREAD + "/history", {"metadata": 1}, "metadata"),
    ("POST", THREAD + "/history", {"checkpoint": 1}, "checkpoint"),
    ("GET", "/threads/x", None, "thread_id"),
    ("POST", "/threads/x/copy", None, "thread_id"),
    ("GET", "/threads/x/storage", None, "thread_id"),
]


def test_bad_requests_name_the_field(api):
    """422, and the text begins with the path of what is wrong."""
    names = {"thread": api.thread(), "assistant": api.post(
        "/assistants", {"graph_id": "trivial"})["assistant_id"]}
    wrong = []
    for method, path, body, field in BAD:
        got = api.request(method, path.format(**names), body)
        if got.status != 422 or not got.json()["detail"].startswith(f"{field}: "):
            wrong.append((method, path, body, got))
    assert wrong == []


def test_configurable_and_context_must_agree(api):
    body = {"graph_id": "trivial", "config": {"configurable": {"a": 1}}}
    assert api.request("POST", "/assistants", {**body, "context": {"a": 2}}).status == 400
    assert api.request("POST", "/assistants", {**body, "context": {"a": 1}}).status == 200


# -- threads with an end --------------------------------------------------------------------

SOON = 0.0001  # minutes


@pytest.mark.smoke
def test_threads_end(api):
    thread = api.thread(ttl={"ttl": SOON})
    until(lambda: api.request("GET", f"/threads/{thread}").status == 404, "the end of the thread")


def test_threads_are_pruned(api):
    """keep_latest: again and again; the thread stays."""
    thread = api.thread()
    for x in (1, 2):
        api.run_stream(thread, "chain10", input={"x": x})
        ttl = {"ttl": SOON, "strategy": "keep_latest"}
        api.ok("PATCH", f"/threads/{thread}", {"ttl": ttl})
        until(lambda: len(api.post(f"/threads/{thread}/history", {})) == 1, "older ones to go")
        assert api.state(thread)["values"] == {"x": x + 10}


def test_busy_threads_do_not_end(api):
    thread = api.thread()
    run = api.start(thread, "trivial", input={"x": 1}, after_seconds=3600)
    api.ok("PATCH", f"/threads/{thread}", {"ttl": SOON})
    other = api.thread(ttl=SOON)
    until(lambda: api.request("GET", f"/threads/{other}").status == 404, "the other's end")
    assert api.run(run)["status"] == "pending"
    assert api.cancel(run).status == 202
    until(lambda: api.request("GET", f"/threads/{thread}").status == 404, "its end")


def test_default_ttl(dev):
    from support.api import Api
    started = dev("--thread-sweep=50ms", "--thread-ttl=100ms")
    api = Api(started.url)
    thread = api.thread()
    until(lambda: api.request("GET", f"/threads/{thread}").status == 404, "the end of the thread")
    kept = api.thread(ttl=60)
    assert api.get(f"/threads/{kept}?include=ttl")["ttl"]["ttl_minutes"] == 60


# -- what a Command leaves behind --------------------------------------------------------------

LINE = {"main": {
    "state": {"log": "append"},
    "nodes": {n: {"do": [{"op": "return", "value": {"log": [n]}}], "ends": ends}
              for n, ends in (("a", []), ("b", ["c"]), ("c", []))},
    "edges": [["__start__", "a"], ["a", "b"], ["b", "__end__"], ["c", "__end__"]],
    "interrupt_before": ["b"]}}


def test_goto_does_not_change_the_past(dev, tmp_path):
    """A Command's goto runs its node beside those that were next; in the state
    it came to, those stay what was next, as get_state in process has it."""
    from support.api import Api
    file = tmp_path / "line.json"
    file.write_text(json.dumps(LINE))
    api = Api(dev(graphs=file).url)
    thread = api.thread()
    api.run_stream(thread, "line", input={"log": []})
    assert api.state(thread)["next"] == ["b"]
    api.run_stream(thread, "line", command={"goto": "c", "update": {"log": ["u"]}})
    history = api.post(f"/threads/{thread}/history", {"limit": 10})
    assert [(h["values"], h["next"], [(t["name"], t["result"]) for t in h["tasks"]])
            for h in history] == [
        ({"log": ["a", "u", "b", "c"]}, [], []),
        ({"log": ["a", "u"]}, ["b"], [("b", {"log": ["b"]})]),
        ({"log": []}, ["a"], [("a", {"log": ["a"]})]),
        ({"log": []}, ["__start__"], [("__start__", {"log": []})])]
