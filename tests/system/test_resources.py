# SPDX-License-Identifier: Apache-2.0
"""Threads, runs, state, history and assistants: whole objects as they are
read, and what changes them."""

import json
import uuid

import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.errors import NotFoundError

from support.api import new_id
from support.expect import answered, golden, human
from support.mask import drop, mask
from support.wait import until

STACK_ENV = {"LANGGRAPH_CONFIG": json.dumps({
    "agent": {"configurable": {"model_name": "openai"}},
    "simple_runtime": {"context": {"model": "unknown"}}})}
HELLO = {"messages": [{"role": "human", "content": "hello", "id": "m1"}]}
GRAPHS = {"agent", "agent_simple", "nested", "weather", "error", "delay", "dynamic",
          "simple_runtime", "trivial", "chain10", "emit", "tokens", "sleeper", "hello"}
URL_NAMESPACE = uuid.UUID("6ba7b821-9dad-11d1-80b4-00c04fd430c8")
NEW_THREAD = {
    "thread_id": "<1>", "created_at": "<ts>", "updated_at": "<ts>", "state_updated_at": "<ts>",
    "metadata": {}, "config": {}, "status": "idle", "values": None, "interrupts": {},
    "error": None}


def system_id(graph):
    return str(uuid.uuid5(URL_NAMESPACE, graph))


# -- threads ---------------------------------------------------------------------------

@pytest.mark.smoke
def test_thread_create_and_get(api):
    made = api.post("/threads", {})
    assert mask(made) == NEW_THREAD
    assert api.get(f"/threads/{made['thread_id']}") == made


def test_thread_create_with_id_and_metadata(api):
    thread = new_id()
    made = api.post("/threads", {"thread_id": thread, "metadata": {"a": {"b": [1, None, 1.5]}}})
    assert made["thread_id"] == thread
    assert made["metadata"] == {"a": {"b": [1, None, 1.5]}}


def test_thread_if_exists(api):
    thread = new_id()
    made = api.post("/threads", {"thread_id": thread, "metadata": {"n": 1}})
    again = {"thread_id": thread, "metadata": {"n": 2}}
    for body in (again, {**again, "if_exists": "raise"}):
        got = api.request("POST", "/threads", body)
        assert got.status == 409
        assert isinstance(got.json()["detail"], str)
    assert api.post("/threads", {**again, "if_exists": "do_nothing"}) == made
    assert api.get(f"/threads/{thread}") == made


def test_thread_patch(api):
    made = api.post("/threads", {"metadata": {"a": 1, "b": {"x": 1}}})
    thread = made["thread_id"]
    got = api.ok("PATCH", f"/threads/{thread}", {"metadata": {"b": {"y": 2}, "c": 3}})
    assert got["metadata"] == {"a": 1, "b": {"y": 2}, "c": 3}, "merged one level deep"
    assert got["updated_at"] > made["updated_at"]
    assert drop(got, "metadata", "updated_at") == drop(made, "metadata", "updated_at")
    got = api.request("PATCH", f"/threads/{thread}", {"metadata": {"d": 4}},
                      {"Prefer": "return=minimal"})
    assert (got.status, got.body) == (204, b"")
    assert api.get(f"/threads/{thread}")["metadata"]["d"] == 4


def test_thread_delete(api):
    thread = api.thread()
    run = api.start(thread, "trivial", input={"x": 1})
    api.join(run)
    got = api.request("DELETE", f"/threads/{thread}")
    assert (got.status, got.body) == (204, b"")
    for path in ("", "/state", "/history", "/runs", f"/runs/{run['run_id']}", "/stream",
                 f"/runs/{run['run_id']}/stream"):
        assert api.request("GET", f"/threads/{thread}{path}").status == 404, path
    assert api.request("DELETE", f"/threads/{thread}").status == 404


def test_thread_copy(api):
    thread = api.thread(metadata={"mine": 1})
    api.run_stream(thread, "agent", input=HELLO)
    copy = api.post(f"/threads/{thread}/copy")
    source = api.get(f"/threads/{thread}")
    assert copy["thread_id"] != thread
    assert copy["metadata"]["mine"] == 1
    assert (copy["status"], copy["values"]) == ("idle", source["values"])
    ours = api.post(f"/threads/{thread}/history", {"limit": 100})
    theirs = api.post(f"/threads/{copy['thread_id']}/history", {"limit": 100})
    assert mask(theirs, thread=copy["thread_id"]) == mask(ours, thread=thread)
    assert api.get(f"/threads/{copy['thread_id']}/runs") == []
    api.run_stream(copy["thread_id"], "agent", input=HELLO)
    assert api.post(f"/threads/{thread}/history", {"limit": 100}) == ours, "the source stays"
    assert api.request("POST", f"/threads/{new_id()}/copy").status == 404


def test_thread_search_and_count(api):
    mark = new_id()
    made = [api.post("/threads", {"metadata": {"mark": mark, "n": n, "deep": {"k": n % 2}}})
            for n in range(5)]
    ids = [t["thread_id"] for t in made]
    api.run_stream(ids[3], "trivial", input={"x": 41})

    def search(**body):
        got = api.request("POST", "/threads/search", {"metadata": {"mark": mark}, **body})
        assert got.status == 200, got
        return [t["thread_id"] for t in got.json()], got.headers

    assert search()[0] == list(reversed(ids)), "newest first"
    assert search(sort_order="asc")[0] == ids
    found, headers = search(limit=2)
    assert found == [ids[4], ids[3]]
    assert (headers["X-Pagination-Total"], headers["X-Pagination-Next"]) == ("5", "2")
    found, headers = search(limit=2, offset=4)
    assert found == [ids[0]]
    assert headers["X-Pagination-Next"] is None
    assert search(metadata={"mark": mark, "deep": {"k": 1}})[0] == [ids[3], ids[1]]
    assert search(values={"x": 42})[0] == [ids[3]]
    assert search(ids=[ids[1], new_id()])[0] == [ids[1]]
    assert search(status="busy")[0] == []
    assert api.post("/threads/count", {"metadata": {"mark": mark}}) == 5
    assert api.post("/threads/count", {"metadata": {"mark": mark}, "status": "idle"}) == 5
    got = api.post("/threads/search", {"metadata": {"mark": mark}, "limit": 1,
                                       "select": ["thread_id", "metadata"]})
    assert got == [{"thread_id": ids[4], "metadata": {"mark": mark, "n": 4, "deep": {"k": 0}}}]
    got = api.post("/threads/search", {"ids": [ids[3]], "select": ["thread_id"],
                                       "extract": {"x": "values.x", "k": "metadata.deep.k",
                                                   "none": "values.y"}})
    assert got[0]["extracted"] == {"x": 42, "k": 1, "none": None}


def test_thread_prune(api):
    kept, gone = api.thread(), api.thread()
    for thread in (kept, gone):
        api.run_stream(thread, "trivial", input={"x": 1})
    got = api.post("/threads/prune", {"thread_ids": [kept, new_id()], "strategy": "keep_latest"})
    assert got == {"pruned_count": 1}
    assert len(api.post(f"/threads/{kept}/history", {"limit": 10})) == 1
    assert api.state(kept)["values"] == {"x": 2}
    assert api.post("/threads/prune", {"thread_ids": [gone]}) == {"pruned_count": 1}
    assert api.request("GET", f"/threads/{gone}").status == 404


@pytest.mark.smoke
def test_thread_with_supersteps(api):
    """One checkpoint for each; what is written as __input__ waits for a run
    that never comes (as with the libraries), as __start__ it is taken up."""
    def make(first):
        return api.post("/threads", {
            "metadata": {"graph_id": "agent"},
            "supersteps": [{"updates": [{"values": HELLO, "as_node": first}]},
                           {"updates": [{"values": {"keyOne": "x"}, "as_node": "agent"}]}]})

    made = make("__start__")
    assert made["values"] == {"messages": [human("hello", "m1")], "keyOne": "x"}
    assert made["status"] == "idle"
    history = api.post(f"/threads/{made['thread_id']}/history", {"limit": 10})
    assert [(h["next"], h["metadata"]) for h in history] == [
        (["tool"], {"source": "update", "step": 1, "parents": {}, "graph_id": "agent"}),
        (["agent"], {"source": "update", "step": 0, "parents": {}, "graph_id": "agent"})]
    made = make("__input__")
    assert made["values"] == {"messages": [], "keyOne": "x"}
    assert len(api.post(f"/threads/{made['thread_id']}/history", {"limit": 10})) == 2


def test_supersteps_that_fail_make_no_thread(api):
    thread = new_id()
    for body, status in (
            ({"metadata": {"graph_id": "agent"}, "supersteps": [
                {"updates": [{"values": {}, "as_node": "nobody"}]}]}, 400),
            ({"metadata": {"graph_id": "unheard of"}, "supersteps": [
                {"updates": [{"values": {}, "as_node": "agent"}]}]}, 404),
            ({"supersteps": [{"updates": [{"values": {}, "as_node": "agent"}]}]}, 400),
            ({"supersteps": [{"updates": []}]}, 422),
            ({"supersteps": [{}]}, 422),
            ({"supersteps": {}}, 422)):
        got = api.request("POST", "/threads", {"thread_id": thread, **body})
        assert got.status == status, got
        assert api.request("GET", f"/threads/{thread}").status == 404


# -- runs ----------------------------------------------------------------------------------

@pytest.mark.smoke
def test_run_object(api):
    """The whole object: pending when created, the same when it is over."""
    thread = api.thread(metadata={"of": "thread"})
    made = api.start(thread, "agent", input=HELLO, metadata={"of": "run", "mine": 1},
                     config={"configurable": {"user_id": "u1"}, "tags": ["t"]},
                     stream_mode="values", webhook=None, multitask_strategy="enqueue")
    assert made["status"] == "pending"
    api.join(made)
    read = api.run(made)
    assert read["status"] == "success"
    assert read["updated_at"] >= made["updated_at"]
    assert drop(read, "status", "updated_at") == drop(made, "status", "updated_at")
    golden("run-object", [mask(made, thread=thread, run=made["run_id"])])
    assert api.get(f"/threads/{thread}")["metadata"] == {
        "of": "thread", "graph_id": "agent", "assistant_id": system_id("agent")}


def test_run_list(api):
    thread = api.thread()
    runs = [api.start(thread, "trivial", input={"x": n}) for n in range(4)]
    api.join(runs[-1])
    ids = [r["run_id"] for r in reversed(runs)]

    def listed(query=""):
        return [r["run_id"] for r in api.get(f"/threads/{thread}/runs{query}")]

    assert listed() == ids
    assert listed("?limit=2") == ids[:2]
    assert listed("?limit=2&offset=3") == ids[3:]
    assert listed("?status=success") == ids
    assert listed("?status=error") == []
    for query in ("select=run_id&select=status", "select=%5B%22run_id%22%2C%22status%22%5D",
                  "select=run_id,status"):
        assert api.get(f"/threads/{thread}/runs?limit=1&{query}") == [
            {"run_id": ids[0], "status": "success"}], query
    for query in ("limit=0", "limit=1001", "offset=-1", "status=nonsense", "select=nonsense"):
        assert api.request("GET", f"/threads/{thread}/runs?{query}").status == 422, query


def test_stateless_runs(api):
    """A background run without a thread, kept or not."""
    kept = api.post("/runs", {"assistant_id": "trivial", "input": {"x": 1},
                              "on_completion": "keep"})
    assert kept["status"] == "pending"
    until(lambda: api.request("GET", f"/threads/{kept['thread_id']}").status == 200 and
          api.get(f"/threads/{kept['thread_id']}")["status"] == "idle", "the kept thread")
    assert api.state(kept["thread_id"])["values"] == {"x": 2}
    gone = api.post("/runs", {"assistant_id": "trivial", "input": {"x": 1}})
    until(lambda: api.request("GET", f"/threads/{gone['thread_id']}").status == 404,
          "the throw-away thread to go")


def test_batch(api):
    """Answered in order; one that is wrong fails all."""
    batch = api.post("/runs/batch", [
        {"assistant_id": "trivial", "input": {"x": n}, "on_completion": "keep"}
        for n in range(3)])
    assert [b["kwargs"]["input"] for b in batch] == [{"x": n} for n in range(3)]
    bad = [{"assistant_id": "trivial"}, {"assistant_id": "trivial", "stream_mode": "x"}]
    assert api.request("POST", "/runs/batch", bad).status == 422
    assert api.request("POST", "/runs/batch", []).status == 422


# -- state and history ----------------------------------------------------------------------

EMPTY_STATE = {"values": {}, "next": [], "tasks": [], "metadata": None, "created_at": None,
               "checkpoint": None, "parent_checkpoint": None, "interrupts": []}


def test_state_of_a_new_thread(api):
    thread = api.thread()
    assert api.state(thread) == EMPTY_STATE
    assert api.get(f"/threads/{thread}/history") == []
    assert api.post(f"/threads/{thread}/history", {}) == []


@pytest.mark.smoke
def test_state_and_history(api):
    """Whole objects against a golden file; every way to read the same."""
    thread = api.thread()
    api.run_stream(thread, "agent", input=HELLO, stream_mode="values")
    state = api.state(thread)
    history = api.post(f"/threads/{thread}/history", {"limit": 100})
    assert history[0] == state
    assert api.get(f"/threads/{thread}")["values"] == state["values"]
    golden("agent-history", mask(history, thread=thread))
    for entry in history:
        checkpoint = entry["checkpoint"]
        at = f"/threads/{thread}/state/{checkpoint['checkpoint_id']}"
        assert api.get(at) == entry
        assert api.post(f"/threads/{thread}/state/checkpoint",
                        {"checkpoint": checkpoint}) == entry
    parents = [h["parent_checkpoint"] and h["parent_checkpoint"]["checkpoint_id"]
               for h in history]
    assert parents == [h["checkpoint"]["checkpoint_id"] for h in history[1:]] + [None]


def test_history_filters(api):
    thread = api.thread()
    api.run_stream(thread, "agent", input=HELLO)
    path = f"/threads/{thread}/history"
    everything = api.post(path, {"limit": 100})
    assert len(everything) == 5
    assert api.get(f"{path}?limit=100") == everything
    assert api.post(path, {"limit": 2}) == everything[:2]
    middle = everything[1]["checkpoint"]
    for before in (middle["checkpoint_id"], middle,
                   {"configurable": {"checkpoint_id": middle["checkpoint_id"]}}):
        assert api.post(path, {"limit": 100, "before": before}) == everything[2:]
    assert api.get(f"{path}?before={middle['checkpoint_id']}") == everything[2:]
    assert api.post(path, {"limit": 9, "metadata": {"source": "input"}}) == everything[-1:]
    assert api.post(path, {"limit": 9, "metadata": {"step": 1}}) == everything[2:3]
    for limit in (0, 1001, "x"):
        assert api.request("POST", path, {"limit": limit}).status == 422


def test_state_update(api):
    thread = api.thread()
    api.run_stream(thread, "agent", input=HELLO)
    before = api.state(thread)
    got = api.post(f"/threads/{thread}/state", {"values": {"keyOne": "set"}, "as_node": "agent"})
    assert set(got) >= {"checkpoint"}
    state = api.state(thread)
    assert state["checkpoint"]["checkpoint_id"] == got["checkpoint"]["checkpoint_id"]
    assert state["values"] == {**before["values"], "keyOne": "set"}
    assert state["metadata"]["source"] == "update"
    assert state["metadata"]["step"] == before["metadata"]["step"] + 1
    assert state["parent_checkpoint"]["checkpoint_id"] == before["checkpoint"]["checkpoint_id"]
    shown = api.get(f"/threads/{thread}")
    assert shown["values"] == state["values"]
    assert shown["status"] == "idle"


def test_state_update_as_nobody_in_particular(api):
    """as_node left out: the node that wrote last."""
    thread = api.thread()
    api.run_stream(thread, "chain10", input={"x": 0}, interrupt_after=["n3"])
    api.post(f"/threads/{thread}/state", {"values": {"x": 100}})
    assert api.state(thread)["next"] == ["n4"]
    api.run_stream(thread, "chain10", input=None)
    assert api.state(thread)["values"] == {"x": 106}


def test_state_update_errors(api):
    thread = api.thread()
    got = api.request("POST", f"/threads/{thread}/state", {"values": {"x": 1}})
    assert got.status == 400, "no graph yet"
    api.run_stream(thread, "trivial", input={"x": 1})
    path = f"/threads/{thread}/state"
    assert api.request("POST", path, {"values": {"x": 1}, "as_node": "nobody"}).status == 400
    assert api.request("POST", path, {"values": 5}).status == 422
    assert api.request("POST", f"/threads/{new_id()}/state", {"values": {}}).status == 404
    assert api.request("GET", f"{path}/{new_id()}").status == 404
    assert api.request("POST", f"{path}/checkpoint",
                       {"checkpoint": {"checkpoint_id": new_id()}}).status == 404
    assert api.request("POST", f"{path}/checkpoint", {}).status == 422


def test_time_travel(api):
    """A run from an old checkpoint is a branch; the old line stays."""
    thread = api.thread()
    api.run_stream(thread, "chain10", input={"x": 0})
    history = api.post(f"/threads/{thread}/history", {"limit": 100})
    old = next(h for h in history if h["next"] == ["n8"])
    events = api.run_stream(thread, "chain10", input=None,
                            checkpoint={"checkpoint_id": old["checkpoint"]["checkpoint_id"],
                                        "checkpoint_ns": ""}, stream_mode="updates")
    assert [e.data for e in events[1:]] == [{"n8": {"x": 9}}, {"n9": {"x": 10}}]
    longer = api.post(f"/threads/{thread}/history", {"limit": 100})
    assert longer[-len(history):] == history
    fork = longer[-len(history) - 1]
    assert fork["metadata"]["source"] == "fork"
    assert fork["parent_checkpoint"]["checkpoint_id"] == old["checkpoint"]["checkpoint_id"]


def test_edit_the_past(api):
    thread = api.thread()
    api.run_stream(thread, "chain10", input={"x": 0})
    history = api.post(f"/threads/{thread}/history", {"limit": 100})
    old = next(h for h in history if h["next"] == ["n8"])
    got = api.post(f"/threads/{thread}/state", {
        "values": {"x": 1000}, "as_node": "n7", "checkpoint": old["checkpoint"]})
    api.run_stream(thread, "chain10", input=None, checkpoint=got["checkpoint"])
    assert api.state(thread)["values"] == {"x": 1002}


def test_durability_exit(api):
    """Only the last checkpoint is stored, and it is whole."""
    thread = api.thread()
    api.run_stream(thread, "agent", input=HELLO, durability="exit")
    (only,) = api.post(f"/threads/{thread}/history", {"limit": 100})
    assert [m["content"] for m in only["values"]["messages"]] == [
        "hello", "begin", "tool_call__begin", "end"]
    assert only["parent_checkpoint"] is None
    for durability in ("sync", "async"):
        thread = api.thread()
        api.run_stream(thread, "agent", input=HELLO, durability=durability)
        assert len(api.post(f"/threads/{thread}/history", {"limit": 100})) == 5


def test_items_that_nodes_keep(api):
    """What the agent stored under the user's id comes back in its state."""
    thread = api.thread()
    events = api.run_stream(thread, "agent", input=HELLO,
                            config={"configurable": {"user_id": "u7"}})
    assert events[-1].data["sharedStateFromStoreConfig"] == {"id": "u7"}


def test_items_over_http(api):
    """Nodes and clients see the same items."""
    api.run_stream(api.thread(), "agent", input=HELLO,
                   config={"configurable": {"user_id": "u7"}})
    item = api.get("/store/items?namespace=sharedState.data&key=user_id")
    assert item["value"] == {"id": "u7"}
    checked = {"messages": [{"role": "human", "content": "___check_state_value", "id": "m1"}]}
    events = api.run_stream(api.thread(), "agent", input=checked)
    assert events[-1].data == {"error": "Error", "message": "Value is not true"}
    assert api.request("PUT", "/store/items", {
        "namespace": ["inputtedState", "data"], "key": "my_key",
        "value": {"isTrue": True}}).status == 204
    events = api.run_stream(api.thread(), "agent", input=checked)
    assert events[-1].name == "values"


# -- assistants ---------------------------------------------------------------------------------

@pytest.mark.smoke
def test_system_assistants(api):
    got = api.post("/assistants/search", {"limit": 100, "metadata": {"created_by": "system"}})
    assert {a["graph_id"] for a in got} == GRAPHS
    for a in got:
        name = a["graph_id"]
        config = {"configurable": {"model_name": "openai"}} if name == "agent" else {}
        context = {"model": "unknown"} if name == "simple_runtime" else {}
        assert mask(drop(a, "assistant_id")) == {
            "graph_id": name, "name": name, "config": config, "context": context,
            "metadata": {"created_by": "system"}, "version": 1, "description": None,
            "created_at": "<ts>", "updated_at": "<ts>"}
        assert a["assistant_id"] == system_id(name)
        assert api.get(f"/assistants/{name}") == a
        assert api.get(f"/assistants/{a['assistant_id']}") == a
    assert system_id("agent") == "fe096781-5601-53d2-b2f6-0d3403f7e9ca"


def test_assistant_life(api):
    mark = new_id()
    made = api.post("/assistants", {
        "graph_id": "simple_runtime", "name": "First", "metadata": {"mark": mark},
        "context": {"model": "openai"}, "description": "about"})
    ident = made["assistant_id"]
    assert mask(made) == {
        "assistant_id": "<1>", "graph_id": "simple_runtime", "name": "First", "config": {},
        "context": {"model": "openai"}, "metadata": {"mark": "<2>"}, "version": 1,
        "description": "about", "created_at": "<ts>", "updated_at": "<ts>"}
    events = api.run_stream(None, ident, input={"message": "x"})
    assert events[-1].data == {"message": "x", "model": "openai"}
    patched = api.ok("PATCH", f"/assistants/{ident}", {"context": {"model": "anthropic"},
                                                       "metadata": {"more": 1}})
    assert (patched["version"], patched["metadata"]) == (2, {"mark": mark, "more": 1})
    assert api.run_stream(None, ident, input={})[-1].data == {"model": "anthropic"}
    versions = api.post(f"/assistants/{ident}/versions", {})
    assert [v["version"] for v in versions] == [2, 1]
    assert "updated_at" not in versions[0]
    back = api.post(f"/assistants/{ident}/latest", {"version": 1})
    assert (back["version"], back["context"]) == (1, {"model": "openai"})
    third = api.ok("PATCH", f"/assistants/{ident}", {})
    assert third["version"] == 3, "always a new version, above all others"
    assert api.request("POST", f"/assistants/{ident}/latest", {"version": 9}).status == 404
    assert [a["assistant_id"] for a in api.post(
        "/assistants/search", {"metadata": {"mark": mark}})] == [ident]
    assert api.post("/assistants/count", {"metadata": {"mark": mark}}) == 1
    assert api.request("DELETE", f"/assistants/{ident}").status == 204
    for method, path, body in (("GET", "", None), ("PATCH", "", {}), ("DELETE", "", None),
                               ("POST", "/versions", {}), ("POST", "/latest", {"version": 1}),
                               ("GET", "/graph", None), ("GET", "/schemas", None),
                               ("GET", "/subgraphs", None)):
        assert api.request(method, f"/assistants/{ident}{path}", body).status == 404, path


def test_assistant_search(api):
    mark = new_id()
    made = [api.post("/assistants", {"graph_id": g, "name": n, "metadata": {"mark": mark}})
            for g, n in (("agent", "b-One"), ("nested", "a-TWO"), ("agent", "c-three"))]
    ids = [a["assistant_id"] for a in made]

    def search(**body):
        got = api.request("POST", "/assistants/search", {"metadata": {"mark": mark}, **body})
        assert got.status == 200, got
        return [a["assistant_id"] for a in got.json()], got.headers

    assert search()[0] == list(reversed(ids))
    assert search(sort_by="name", sort_order="asc")[0] == [ids[1], ids[0], ids[2]]
    assert search(graph_id="agent")[0] == [ids[2], ids[0]]
    assert search(name="two")[0] == [ids[1]], "part of the name, in any case"
    found, headers = search(limit=2)
    assert found == [ids[2], ids[1]]
    assert (headers["X-Pagination-Total"], headers["X-Pagination-Next"]) == ("3", "2")
    got = api.post("/assistants/search", {"metadata": {"mark": mark}, "limit": 1,
                                          "select": ["name", "version"]})
    assert got == [{"name": "c-three", "version": 1}]
    for body in ({"limit": 0}, {"limit": 1001}, {"sort_by": "x"}, {"sort_order": "x"},
                 {"select": ["x"]}, {"offset": -1}):
        assert api.request("POST", "/assistants/search", body).status == 422, body


def test_assistant_if_exists(api):
    ident = new_id()
    body = {"graph_id": "agent", "assistant_id": ident}
    made = api.post("/assistants", body)
    assert made["name"] == "Untitled"
    assert api.request("POST", "/assistants", body).status == 409
    assert api.post("/assistants", {**body, "name": "x", "if_exists": "do_nothing"}) == made
    assert api.request("POST", "/assistants", {"graph_id": "nobody"}).status == 404
    assert api.request("POST", "/assistants", {}).status == 422


def test_drawings_and_schemas(api):
    graph = api.get("/assistants/agent/graph")
    assert {n["id"] for n in graph["nodes"]} == {
        "__start__", "__end__", "agent", "tool", "checkSharedState"}
    edges = {(e["source"], e["target"], bool(e.get("conditional"))) for e in graph["edges"]}
    assert edges == {
        ("__start__", "agent", False), ("tool", "agent", False),
        ("checkSharedState", "__end__", False), ("agent", "tool", True),
        ("agent", "checkSharedState", True), ("agent", "__end__", True)}
    schemas = api.get("/assistants/agent/schemas")
    assert set(schemas) == {"graph_id", "input_schema", "output_schema", "state_schema",
                            "config_schema", "context_schema"}
    assert schemas["graph_id"] == "agent"
    assert set(api.get("/assistants/nested/subgraphs")) == {"gp_two"}
    recursive = api.get("/assistants/nested/subgraphs?recurse=true")
    assert set(recursive) == {"gp_two", "gp_two|p_two"}
    parent = recursive["gp_two"]["state_schema"]["properties"]["parent"]
    assert parent["enum"] == ["parent_one", "parent_two"]


def test_truncate(api):
    """What test suites use between tests; system assistants stay."""
    thread = api.thread()
    api.run_stream(thread, "trivial", input={"x": 1})
    assert api.post("/internal/truncate", {"runs": True, "threads": True, "assistants": True,
                                           "checkpointer": True, "store": True}) == {"ok": True}
    assert api.request("GET", f"/threads/{thread}").status == 404
    assert api.get("/assistants/agent")["graph_id"] == "agent"


def test_sdk_reads_the_same(api):
    client = get_sync_client(url=api.url)
    thread = client.threads.create(metadata={"a": 1})
    ident = thread["thread_id"]
    client.runs.wait(ident, "agent", input=HELLO)
    assert client.threads.get(ident) == api.get(f"/threads/{ident}")
    assert client.threads.get_state(ident) == api.state(ident)
    assert client.threads.get_history(ident) == api.post(f"/threads/{ident}/history", {})
    assert client.runs.list(ident) == api.get(f"/threads/{ident}/runs")
    messages = client.threads.get_state(ident)["values"]["messages"]
    assert mask(messages) == answered(1)
    assert client.assistants.get("agent") == api.get("/assistants/agent")
    client.threads.delete(ident)
    with pytest.raises(NotFoundError):
        client.threads.get(ident)


def test_sdk_updates_state(api):
    client = get_sync_client(url=api.url)
    ident = client.threads.create()["thread_id"]
    client.runs.wait(ident, "agent", input=HELLO)
    client.threads.update_state(ident, {"keyOne": "z"}, as_node="agent")
    assert client.threads.get_state(ident)["values"]["keyOne"] == "z"


@pytest.mark.smoke
def test_python_creates_a_run_without_a_thread(api):
    client = get_sync_client(url=api.url)
    run = client.runs.create(None, "trivial", input={"x": 1}, metadata={"a": 1},
                             stream_mode="values")
    assert {k: run[k] for k in ("status", "multitask_strategy")} == {
        "status": "pending", "multitask_strategy": "enqueue"}
    assert run["metadata"]["a"] == 1 and run["kwargs"]["temporary"] is True
    with api.stream(f"/runs/{run['run_id']}/stream", headers={"Last-Event-ID": "-1"}) as opened:
        events = opened.rest()
    assert [(e.name, e.data) for e in events] == [
        ("metadata", {"run_id": run["run_id"], "attempt": 1}),
        ("values", {"x": 1}), ("values", {"x": 2})]
    assert api.get(f"/runs/{run['run_id']}/join") == {"x": 2}
