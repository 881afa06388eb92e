# SPDX-License-Identifier: Apache-2.0
"""Every stream mode: whole event sequences of the example graphs."""

import pytest

from support.expect import (
    agent_custom, agent_tuples, agent_updates, agent_values, ai, golden, human, meta, model_id,
    tool)
from support.mask import Mask, mask, pairs
from support.sse import check_ids

HELLO = {"messages": [{"role": "human", "content": "hello", "id": "m1"}]}
ALL = ["values", "updates", "messages-tuple", "messages", "debug", "custom", "events", "tasks",
       "checkpoints"]


def masked(events, **names):
    check_ids(events)
    return mask(pairs(events), **names)


def run(api, assistant, mode, thread=True, **body):
    body.setdefault("input", HELLO)
    return api.run_stream(api.thread() if thread else None, assistant, stream_mode=mode, **body)


def without_metadata(events):
    """messages events as [message, node]."""
    return [[name, data if name == "metadata" else [data[0], data[1]["langgraph_node"]]]
            for name, data in pairs(events)]


@pytest.mark.smoke
@pytest.mark.parametrize("thread", [True, False], ids=["thread", "stateless"])
def test_values(api, thread):
    assert masked(run(api, "agent", "values", thread)) == agent_values()


@pytest.mark.smoke
@pytest.mark.parametrize("thread", [True, False], ids=["thread", "stateless"])
def test_updates(api, thread):
    assert masked(run(api, "agent", "updates", thread)) == agent_updates()


@pytest.mark.parametrize("mode", [None, [], ["values"], ["values", "values"]], ids=str)
def test_values_is_what_is_sent_when_nothing_is_asked_for(api, mode):
    assert masked(run(api, "agent", mode)) == agent_values()


@pytest.mark.smoke
@pytest.mark.parametrize("thread", [True, False], ids=["thread", "stateless"])
def test_messages_tuple(api, thread):
    events = run(api, "agent", "messages-tuple", thread)
    check_ids(events)
    assert mask(without_metadata(events)) == agent_tuples()


def test_metadata_of_messages(api):
    thread = api.thread()
    events = api.run_stream(thread, "agent", input=HELLO, stream_mode="messages-tuple",
                            metadata={"mine": "yes"}, config={"metadata": {"also": 1}})
    run_id = events[0].data["run_id"]
    pieces = [e.data[1] for e in events[1:]]
    for step, part in ((1, pieces[:5]), (2, pieces[5:6]), (3, pieces[6:])):
        for piece in part:
            ns = piece["langgraph_checkpoint_ns"]
            node = "tool" if step == 2 else "agent"
            assert ns.startswith(node + ":")
            assert piece["checkpoint_ns"] == ns
            wanted = {
                "langgraph_step": step, "langgraph_node": node,
                "langgraph_triggers": [f"branch:to:{node}"],
                "langgraph_path": ["__pregel_pull", node], "thread_id": thread,
                "run_id": run_id, "graph_id": "agent", "mine": "yes", "also": 1,
                "assistant_id": "fe096781-5601-53d2-b2f6-0d3403f7e9ca", "run_attempt": 1}
            assert {k: piece.get(k) for k in wanted} == wanted
    assert {p.get("ls_model_type") for p in pieces[:5]} == {"chat"}
    assert "ls_model_type" not in pieces[5], "no model made the tool's message"


def legacy_messages():
    """messages/metadata at first sight, partials that grow, one complete."""
    def answer(text, n):
        yield ["messages/metadata", [model_id(n)]]
        for end in range(1, len(text) + 1):
            yield ["messages/partial", [ai(text[:end], model_id(n))]]
        yield ["messages/complete", [ai(text, model_id(n))]]

    return [meta(), *answer("begin", 2), ["messages/metadata", ["<3>"]],
            ["messages/complete", [tool("tool_call__begin", "<3>")]], *answer("end", 4)]


def test_messages(api):
    events = run(api, "agent", "messages")
    check_ids(events)
    got = [[name, list(data) if name == "messages/metadata" else data]
           for name, data in pairs(events)]
    assert mask(got) == legacy_messages()
    for event in events:
        if event.name == "messages/metadata":
            (entry,) = event.data.values()
            assert set(entry) == {"metadata"}
            assert entry["metadata"]["langgraph_node"] in ("agent", "tool")


def test_messages_and_values_end_with_complete(api):
    """What a client that shows messages and state relies on: both agree."""
    events = run(api, "agent", ["messages", "values"])
    complete = {m["id"]: m for e in events if e.name == "messages/complete" for m in e.data}
    final = [e for e in events if e.name == "values"][-1].data["messages"]
    assert [complete[m["id"]] for m in final[1:]] == final[1:]
    assert "m1" not in complete, "input messages are not repeated"


def test_both_kinds_of_messages(api):
    """Each kind is whole when both are asked for."""
    events = run(api, "agent", ["messages", "messages-tuple"])
    check_ids(events)
    old = [e for e in events if e.name != "messages"]
    new = [e for e in events if e.name in ("metadata", "messages")]
    got = [[name, list(data) if name == "messages/metadata" else data]
           for name, data in pairs(old)]
    assert mask(got) == legacy_messages()
    assert mask(without_metadata(new)) == agent_tuples()


def test_custom(api):
    body = {"input": {**HELLO, "sleep": {"steps": 3, "ms": 1}}}
    assert masked(run(api, "agent", "custom", **body)) == agent_custom(3)
    assert masked(run(api, "agent", ["custom", "updates"], **body)) == agent_custom(3, True)


def test_custom_values_of_any_kind(api):
    events = run(api, "emit", "custom", input={"n": 3})
    pad = "abcdefghijklmnopqrstuvwxyz0123456789"
    assert masked(events) == [meta(), *(["custom", {"i": i, "pad": pad}] for i in range(3))]


def names(events):
    return [e.name for e in events]


@pytest.mark.parametrize("mode", ["tasks", "checkpoints", "debug", "events"])
def test_whole_sequence(api, mode):
    """Against golden files, which were read against the specification."""
    thread = api.thread()
    events = api.run_stream(thread, "agent", input=HELLO, stream_mode=mode)
    golden(f"agent-{mode}", masked(events, thread=thread))


def test_all_modes_at_once(api):
    """Order between the modes; each event is the one its mode gives alone."""
    events = run(api, "trivial", ALL, input={"x": 1})
    check_ids(events)
    short = []
    for name, data in pairs(events):
        if name == "debug":
            short.append(f"debug {data['type']} {data['step']}")
        elif name == "checkpoints":
            short.append(f"checkpoints {data['metadata']['step']} {data['next']}")
        elif name == "tasks":
            short.append("tasks result" if "result" in data else "tasks start")
        elif name == "events":
            continue
        else:
            short.append(name)
    assert short == [
        "metadata",
        "checkpoints -1 ['__start__']", "debug checkpoint -1", "values",
        "checkpoints 0 ['inc']", "debug checkpoint 0",
        "tasks start", "debug task 1",
        "updates", "tasks result", "debug task_result 1", "values",
        "checkpoints 1 []", "debug checkpoint 1"]


def test_checkpoints_of_a_run_are_in_the_history(api):
    """The streamed checkpoints are those that can be read later."""
    thread = api.thread()
    events = api.run_stream(thread, "agent", input=HELLO, stream_mode="checkpoints")
    history = api.post(f"/threads/{thread}/history", {"limit": 100})
    streamed = [e.data for e in events[1:]]
    assert [c["metadata"]["step"] for c in streamed] == [-1, 0, 1, 2, 3]
    for ours, stored in zip(reversed(streamed), history, strict=True):
        assert ours["config"]["configurable"]["checkpoint_id"] == \
            stored["checkpoint"]["checkpoint_id"]
        assert ours["values"] == stored["values"]
        assert ours["next"] == stored["next"]
        assert [t["name"] for t in ours["tasks"]] == [t["name"] for t in stored["tasks"]]


def test_events_kinds(api):
    """Starts and ends nest; the model's pieces are there."""
    events = run(api, "agent", "events")
    kinds = {e.data["event"] for e in events[1:]}
    assert {"on_chain_start", "on_chain_end", "on_chat_model_start", "on_chat_model_stream",
            "on_chat_model_end"} <= kinds
    assert set(names(events)) == {"metadata", "events"}
    root = events[1].data
    assert (root["event"], root["run_id"], root["parent_ids"]) == (
        "on_chain_start", events[0].data["run_id"], [])
    assert root["data"]["input"] == HELLO
    open_runs = []
    for event in (e.data for e in events[1:]):
        if event["event"].endswith("_start"):
            assert event["parent_ids"] == open_runs[:len(event["parent_ids"])]
            open_runs.append(event["run_id"])
        elif event["event"].endswith("_end"):
            open_runs.remove(event["run_id"])
    assert open_runs == []
    text = [e.data["data"]["chunk"]["content"] for e in events[1:]
            if e.data["event"] == "on_chat_model_stream"]
    assert "".join(text) == "beginend"


def test_events_beside_other_modes(api):
    events = run(api, "agent", ["events", "updates"])
    assert masked([e for e in events if e.name != "events"]) == agent_updates()
    assert sum(e.name == "events" for e in events) > 10


# -- subgraphs -----------------------------------------------------------------------

GP = ["in", "Entered gp_one node"]
P = GP + ["Entered p_one node"]
C1 = P + ["Entered c_one node"]
C2 = C1 + ["Entered c_two node"]


def test_nested_values(api):
    events = run(api, "nested", "values", input={"messages": ["in"]}, stream_subgraphs=True)
    outer, inner = "values|gp_two:<2>", "values|gp_two:<2>|p_two:<3>"
    assert masked(events) == [
        meta(),
        ["values", {"messages": ["in"]}],
        ["values", {"messages": GP}],
        [outer, {"messages": GP}],
        [outer, {"messages": P}],
        [inner, {"messages": P}],
        [inner, {"messages": C1}],
        [inner, {"messages": C2}],
        [outer, {"messages": P + C2}],
        ["values", {"messages": GP + P + C2}]]


@pytest.mark.parametrize("mode", ["tasks", "checkpoints", "debug", "events"])
def test_nested_whole_sequence(api, mode):
    thread = api.thread()
    events = api.run_stream(thread, "nested", input={"messages": ["in"]}, stream_mode=mode,
                            stream_subgraphs=True)
    golden(f"nested-{mode}", masked(events, thread=thread))


@pytest.mark.parametrize("mode", ["values", "updates", "tasks", "checkpoints", "debug"])
def test_without_subgraphs_only_the_root_is_heard(api, mode):
    """The same events as with subgraphs, less those with a namespace."""
    body = {"input": {"messages": ["in"]}}
    plain = run(api, "nested", mode, **body)
    nested = run(api, "nested", mode, stream_subgraphs=True, **body)
    root = [e for e in nested if "|" not in e.name]
    assert len(root) < len(nested)
    threads = {}
    for name, events in (("plain", plain), ("root", root)):
        threads[name] = Mask()(pairs(events))
    assert threads["plain"] == threads["root"]


def test_send_and_line_separators(api):
    """agent_simple: a pushed task, and a U+2028 that no client may split at."""
    events = run(api, "agent_simple", ["updates", "tasks"])
    starts = [e.data for e in events if e.name == "tasks" and "result" not in e.data]
    assert [t["name"] for t in starts] == ["agent", "tool", "agent"]
    assert starts[1]["triggers"] == ["__pregel_push"]
    assert starts[1]["input"]["content"] == "begin", "a send gives its argument, not the state"
    last = [e for e in events if e.name == "updates"][-1].data
    assert last["agent"]["messages"][0]["content"] == "end\u2028"


def test_context_and_factory(api):
    got = run(api, "simple_runtime", "values", input={"message": "x"},
              context={"model": "openai"})
    assert masked(got) == [meta(), ["values", {"message": "x"}],
                           ["values", {"message": "x", "model": "openai"}]]
    got = run(api, "dynamic", "updates", input={"messages": ["a"]},
              config={"configurable": {"nodeName": "assistant"}})
    assert masked(got) == [
        meta(), ["updates", {"assistant": {"node": "assistant", "messages": ["assistant"]}}]]


def test_a_second_turn_on_the_thread(api):
    """Input is added to what the thread has; streamed messages are new ones."""
    thread = api.thread()
    api.run_stream(thread, "agent", input=HELLO)
    second = {"messages": [{"role": "human", "content": "again", "id": "m2"}]}
    events = api.run_stream(thread, "agent", input=second,
                            stream_mode=["values", "messages-tuple"])
    values = [e.data["messages"] for e in events if e.name == "values"]
    assert [len(v) for v in values] == [5, 6, 7, 8]
    assert [m["content"] for m in values[-1]] == [
        "hello", "begin", "tool_call__begin", "end", "again", "begin", "tool_call__begin", "end"]
    text = "".join(e.data[0]["content"] for e in events if e.name == "messages")
    assert text == "begintool_call__beginend"


def test_short_path(api):
    body = {"messages": [{"role": "human", "content": "should_end", "id": "m1"}]}
    assert masked(run(api, "agent", "values", input=body)) == [
        meta(), ["values", {"messages": [human("should_end", "m1")]}],
        ["values", {"messages": [human("should_end", "m1"), ai("begin", model_id(2))],
                    "interrupt": False}]]


def test_input_forms(api):
    """Unknown keys are dropped; an empty object runs the graph without values."""
    assert masked(run(api, "trivial", "values", input={"y": 1})) == [
        meta(), ["values", {"x": 1}]]
    assert masked(run(api, "trivial", ["values", "updates"], input={})) == [
        meta(), ["updates", {"inc": {"x": 1}}], ["values", {"x": 1}]]
    assert masked(run(api, "trivial", "values", input={"x": 9007199254740993})) == [
        meta(), ["values", {"x": 9007199254740993}], ["values", {"x": 9007199254740994}]]


def test_recursion_limit(api):
    events = run(api, "chain10", "values", input={"x": 0}, config={"recursion_limit": 5})
    assert pairs(events)[1:-1] == [["values", {"x": i}] for i in range(6)]
    assert events[-1].name == "error"
    assert events[-1].data["error"] == "GraphRecursionError"
    assert events[-1].data["message"].startswith(
        "Recursion limit of 5 reached without hitting a stop condition.")
