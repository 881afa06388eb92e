# SPDX-License-Identifier: Apache-2.0
"""Runs that stop and go on: dynamic and static interrupts, in graphs and in
graphs within graphs, and runs that fail."""

import json

import pytest

from support.api import Api
from support.expect import agent_updates, ai, answered, golden, human, meta
from support.mask import mask, pairs
from support.sse import check_ids

ASK = "i want to interrupt"
STOP = {"messages": [{"role": "human", "content": "hello", "id": "m1"}], "interrupt": True}
STATE = {"messages": [human("hello", "m1")], "interrupt": True}
QUESTION = [{"value": ASK, "id": "<h1>"}]


def masked(events, **names):
    check_ids(events)
    return mask(pairs(events), **names)


def stop(api, mode="values", thread=None):
    """A thread whose run waits for an answer, and the run's events."""
    thread = thread or api.thread()
    return thread, api.run_stream(thread, "agent", input=STOP, stream_mode=mode)


@pytest.mark.parametrize("mode, wanted", [
    ("values", [["values", STATE], ["values", {**STATE, "__interrupt__": QUESTION}]]),
    ("updates", [["updates", {"__interrupt__": QUESTION}]]),
    (["values", "updates"], [
        ["values", STATE], ["updates", {"__interrupt__": QUESTION}],
        ["values", {**STATE, "__interrupt__": QUESTION}]]),
    ("custom", []),
    ("messages-tuple", []),
], ids=str)
def test_dynamic(api, mode, wanted):
    thread, events = stop(api, mode)
    assert masked(events) == [meta(), *wanted]
    assert api.get(f"/threads/{thread}")["status"] == "interrupted"


@pytest.mark.parametrize("mode", ["tasks", "debug"])
def test_dynamic_whole_sequence(api, mode):
    thread, events = stop(api, mode)
    golden(f"agent-interrupt-{mode}", masked(events, thread=thread))


@pytest.mark.smoke
def test_what_an_interrupted_thread_shows(api):
    thread, events = stop(api)
    (interrupt,) = events[-1].data["__interrupt__"]
    run = api.get(f"/threads/{thread}/runs/{events[0].data['run_id']}")
    assert run["status"] == "success", "to stop at an interrupt is a normal end"
    state = api.state(thread)
    (task,) = state["tasks"]
    assert state["next"] == ["agent"]
    assert state["values"] == {k: v for k, v in events[-1].data.items() if k != "__interrupt__"}
    assert task["interrupts"] == state["interrupts"] == [interrupt]
    assert (task["name"], task["error"], task["checkpoint"], task["state"]) == (
        "agent", None, None, None)
    shown = api.get(f"/threads/{thread}")
    assert shown["status"] == "interrupted"
    assert shown["interrupts"] == {task["id"]: [interrupt]}
    assert shown["values"] == state["values"]


def resumed(first):
    """After the answer: the state as it was, then the rest of the run."""
    messages = answered(first)
    done = {"interrupt": False, "sharedStateFromStoreConfig": {}}
    return [
        meta(), ["values", STATE],
        ["values", {"messages": messages[:2], "interrupt": False}],
        ["values", {"messages": messages[:3], **done}],
        ["values", {"messages": messages, **done}]]


@pytest.mark.parametrize("answer", ["go on", {"any": ["thing"]}, False, 0, ""], ids=repr)
def test_resume(api, answer):
    thread, _ = stop(api)
    events = api.run_stream(thread, "agent", command={"resume": answer})
    assert masked(events) == resumed(2)
    assert api.get(f"/threads/{thread}")["status"] == "idle"
    assert api.get(f"/threads/{thread}")["interrupts"] == {}


def test_resume_by_id(api):
    thread, events = stop(api)
    (interrupt,) = events[-1].data["__interrupt__"]
    events = api.run_stream(thread, "agent", command={"resume": {interrupt["id"]: "yes"}},
                            stream_mode="updates")
    assert masked(events) == agent_updates()


def test_resume_for_another_id_asks_again(api):
    thread, first = stop(api)
    events = api.run_stream(thread, "agent", command={"resume": {"0" * 32: "yes"}},
                            stream_mode="updates")
    assert events[-1].data == {"__interrupt__": first[-1].data["__interrupt__"]}
    assert api.get(f"/threads/{thread}")["status"] == "interrupted"


def test_resume_with_update(api):
    thread, _ = stop(api)
    events = api.run_stream(thread, "agent",
                            command={"resume": "yes", "update": {"keyOne": "set"}})
    assert [e.data.get("keyOne") for e in events[1:]] == ["set"] * 4


def test_an_empty_command_is_no_command(api):
    thread = api.thread()
    events = api.run_stream(thread, "trivial", input={"x": 1}, command={}, stream_mode="updates")
    assert masked(events) == [meta(), ["updates", {"inc": {"x": 2}}]]


def test_goto(api):
    """A command may send the run to a node of its choice."""
    thread = api.thread()
    api.run_stream(thread, "chain10", input={"x": 0})
    events = api.run_stream(thread, "chain10", command={"goto": "n8", "update": {"x": 100}},
                            stream_mode="updates")
    assert pairs(events)[1:] == [["updates", {"n8": {"x": 101}}], ["updates", {"n9": {"x": 102}}]]


def test_new_input_drops_the_question(api):
    thread, _ = stop(api)
    again = {"messages": [{"role": "human", "content": "other", "id": "m2"}], "interrupt": False}
    events = api.run_stream(thread, "agent", input=again, stream_mode="updates")
    assert masked(events) == agent_updates()
    assert api.get(f"/threads/{thread}")["status"] == "idle"


# -- static --------------------------------------------------------------------------

def test_before_and_after(api):
    """Breakpoints of the run; null input goes on from there."""
    thread = api.thread()
    path = dict(stream_mode="updates")
    first = api.run_stream(thread, "agent", input={**STOP, "interrupt": False},
                           interrupt_before=["tool"], **path)
    assert masked(first) == [*agent_updates()[:2], ["updates", {"__interrupt__": []}]]
    shown = api.get(f"/threads/{thread}")
    assert (shown["status"], shown["interrupts"]) == ("interrupted", {})
    assert api.state(thread)["next"] == ["tool"]
    second = api.run_stream(thread, "agent", input=None, interrupt_after=["tool"], **path)
    assert [list(e.data) for e in second[1:]] == [["tool"], ["__interrupt__"]]
    assert api.state(thread)["next"] == ["agent"]
    third = api.run_stream(thread, "agent", **path)
    assert [list(e.data) for e in third[1:]] == [["agent"]]
    assert api.get(f"/threads/{thread}")["status"] == "idle"


def test_every_node(api):
    thread = api.thread()
    steps = []
    for i in range(11):
        events = api.run_stream(thread, "chain10", input={"x": 0} if i == 0 else None,
                                interrupt_before="*", stream_mode="updates")
        steps.append([list(e.data)[0] for e in events[1:]])
    assert steps == [["__interrupt__"], *([f"n{i}", "__interrupt__"] for i in range(9)), ["n9"]]
    assert api.state(thread)["values"] == {"x": 10}


WEATHER = {"messages": [{"role": "human", "content": "SF?", "id": "m1"}]}
ASKED = {"messages": [human("SF?", "m1")]}
ROUTED = {**ASKED, "route": "weather"}


def weather(api, **body):
    thread = api.thread()
    return thread, api.run_stream(thread, "weather", input=WEATHER, **body)


def test_weather_values(api):
    thread, events = weather(api)
    assert masked(events) == [meta(), ["values", ASKED], ["values", ROUTED]]
    assert api.get(f"/threads/{thread}")["status"] == "interrupted"


def test_weather_updates(api):
    _, events = weather(api, stream_mode="updates")
    assert masked(events) == [meta(), ["updates", {"router_node": {"route": "weather"}}],
                              ["updates", {"__interrupt__": []}]]


def test_weather_with_subgraphs(api):
    _, events = weather(api, stream_mode=["values", "updates"], stream_subgraphs=True)
    ns = "|weather_graph:<2>"
    assert masked(events) == [
        meta(), ["values", ASKED], ["updates", {"router_node": {"route": "weather"}}],
        ["values", ROUTED], [f"values{ns}", ASKED],
        [f"updates{ns}", {"model_node": {"city": "San Francisco"}}],
        [f"values{ns}", {**ASKED, "city": "San Francisco"}],
        ["updates", {"__interrupt__": []}]]


@pytest.mark.parametrize("mode", ["tasks", "checkpoints", "debug"])
def test_weather_whole_sequence(api, mode):
    thread, events = weather(api, stream_mode=mode, stream_subgraphs=True)
    golden(f"weather-{mode}", masked(events, thread=thread))


def test_weather_edit_inside_and_go_on(api):
    """State of the inner graph: shown, changed, and used when the run goes on."""
    thread, _ = weather(api)
    (task,) = api.state(thread)["tasks"]
    checkpoint = task["checkpoint"]
    assert checkpoint["thread_id"] == thread
    assert checkpoint["checkpoint_ns"] == f"weather_graph:{task['id']}"
    assert (task["interrupts"], task["state"]) == ([], None)

    (task,) = api.state(thread, subgraphs="true")["tasks"]
    inner = task["state"]
    assert task["checkpoint"] is None
    assert inner["next"] == ["weather_node"]
    assert inner["values"] == {**ASKED, "city": "San Francisco"}
    assert inner["checkpoint"]["checkpoint_ns"] == checkpoint["checkpoint_ns"]

    api.post(f"/threads/{thread}/state", {"values": {"city": "LA"}, "checkpoint": checkpoint})
    inner = api.post(f"/threads/{thread}/state/checkpoint", {"checkpoint": checkpoint})
    assert inner["values"] == {**ASKED, "city": "LA"}

    events = api.run_stream(thread, "weather", input=None,
                            stream_mode=["values", "updates"], stream_subgraphs=True)
    ns = "|weather_graph:<2>"
    sunny = ai("It's sunny in LA!", "<3>")
    got = masked(events)
    assert [name for name, _ in got] == [
        "metadata", "values", f"values{ns}", f"updates{ns}", f"values{ns}", "updates", "values"]
    assert got[1][1] == ROUTED
    assert got[2][1] == {**ASKED, "city": "LA"}
    assert got[4][1]["messages"][-1]["content"] == "It's sunny in LA!"
    assert mask(events[-1].data["messages"][-1]) == {**sunny, "id": "<1>"}
    assert api.state(thread)["next"] == []
    assert len(api.post(f"/threads/{thread}/history", {"limit": 100})) == 4
    assert len(api.post(f"/threads/{thread}/history",
                        {"limit": 100, "checkpoint": checkpoint})) == 5


# -- failures ----------------------------------------------------------------------------

BOO = {"error": "CustomError", "message": "Boo!"}


def test_error(api):
    """Everything before the failure is kept and shown."""
    thread = api.thread()
    events = api.run_stream(thread, "error", input=WEATHER)
    assert masked(events) == [meta(), ["values", ASKED], ["error", BOO]]
    run = api.get(f"/threads/{thread}/runs/{events[0].data['run_id']}")
    assert run["status"] == "error"
    assert api.get(f"/threads/{thread}")["status"] == "error"
    state = api.state(thread)
    (task,) = state["tasks"]
    assert state["next"] == ["error_node"]
    assert state["values"] == ASKED
    assert task["name"] == "error_node"
    assert isinstance(task["error"], str) and "Boo!" in task["error"]
    history = api.post(f"/threads/{thread}/history", {"limit": 10})
    assert [h["metadata"]["step"] for h in history] == [0, -1]


def test_error_in_tasks_and_debug(api):
    thread = api.thread()
    events = api.run_stream(thread, "error", input=WEATHER, stream_mode=["tasks", "debug"])
    golden("error-tasks-debug", masked(events, thread=thread))


def test_error_of_a_stateless_run(api):
    assert masked(api.run_stream(None, "error", input=WEATHER, stream_mode="updates")) == [
        meta(), ["error", BOO]]


def test_a_failed_thread_may_go_on(api):
    """The error is of the run: the next run on the thread starts anew."""
    thread = api.thread()
    api.run_stream(thread, "error", input=WEATHER)
    events = api.run_stream(thread, "agent", input={**STOP, "interrupt": False},
                            stream_mode="updates")
    assert events[-1].name == "updates"
    assert api.get(f"/threads/{thread}")["status"] == "idle"


@pytest.mark.parametrize("given, error", [
    (None, "EmptyInputError"),
    ("text", "InvalidUpdateError"),
    (7, "InvalidUpdateError"),
    ({"messages": [{"role": "nobody", "content": "x"}]}, None),
], ids=str)
def test_input_that_the_graph_cannot_take(api, given, error):
    """The run exists, so it is no HTTP error but an error event."""
    thread = api.thread()
    events = api.run_stream(thread, "agent", input=given)
    assert [e.name for e in events] == ["metadata", "error"]
    assert set(events[-1].data) == {"error", "message"}
    if error:
        assert events[-1].data["error"] == error
    assert api.get(f"/threads/{thread}")["status"] == "error"


def test_graphs_that_a_node_calls_ask_in_turn(parts, tmp_path):
    """Between its answers the node is next, has no result and asks anew."""
    call = {"do": [{"op": "call_graph", "graph": "sub", "input": {"x": 1}, "as": "one"},
                   {"op": "call_graph", "graph": "sub", "input": {"x": 2}, "as": "two"},
                   {"op": "return", "value": {"log": [{"$var": "one.y"}, {"$var": "two.y"}]}}]}
    ask = {"do": [{"op": "interrupt", "value": {"$concat": ["q", {"$state": "x"}]}, "as": "v"},
                  {"op": "return", "value": {"y": {"$var": "v"}}}]}
    path = tmp_path / "calls.json"
    path.write_text(json.dumps({"graphs": {
        "main": {"state": {"log": "append"}, "nodes": {"n": call}, "edges": [["__start__", "n"]]},
        "sub": {"state": {"x": "last", "y": "last"}, "nodes": {"s": ask},
                "edges": [["__start__", "s"]]}}}))
    api = Api(parts(workers=1, worker=[f"--graphs={path}"]).url)
    thread = api.thread()
    for step, question in (({"input": {"log": []}}, "q1"), ({"command": {"resume": "a"}}, "q2")):
        api.join(api.start(thread, "calls", **step))
        state = api.state(thread)
        assert state["next"] == ["n"]
        (task,) = state["tasks"]
        assert [i["value"] for i in task["interrupts"]] == [question]
        assert task.get("result") is None
    api.join(api.start(thread, "calls", command={"resume": "b"}))
    assert api.state(thread)["values"] == {"log": ["a", "b"]}
    assert api.state(thread)["next"] == []
