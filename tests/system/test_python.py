# SPDX-License-Identifier: Apache-2.0
"""Python LangGraph projects behind the same gateway and broker."""

import os
import pathlib
import signal

import pytest
from langgraph_sdk import get_sync_client
from support import proc
from support.api import Api
from support.wait import until

PROJECT = proc.ROOT / "tests" / "python" / "basic" / "langgraph.json"
PATIENCE = 120 * proc.PATIENCE  # libraries may take long to import
PROGRAM = proc.ROOT / "build" / "venv" / "bin" / "leat-worker-python"


@pytest.fixture(scope="module")
def python(tmp_path_factory, new_store):
    """leat dev with the project and native graphs side by side."""
    native = proc.GRAPHS / "weather.so"
    stack = proc.Stack.dev(tmp_path_factory.mktemp("python"), f"--graphs={native}",
                           workers=1, store=new_store(), graphs=PROJECT, seconds=PATIENCE)
    yield stack
    stack.close()


@pytest.fixture
def client(python):
    return get_sync_client(url=python.url)


@pytest.fixture
def api(python):
    return Api(python.url)


def start_worker(stack, *options):
    """One more worker of the project, by hand."""
    n = len(stack.procs)
    worker = proc.Proc(stack.folder, f"python{n}", [
        PROGRAM, f"--config={PROJECT}", f"--broker={stack.broker_base}", *options])
    stack.procs.append(worker)
    return worker


@pytest.fixture
def own(tmp_path, new_store):
    """A stack of the test's own, without workers."""
    stack = proc.Stack.parts(tmp_path / "own", workers=0, store=new_store())
    yield stack
    stack.abandon()


@pytest.mark.smoke
def test_streams_beside_native_graphs(client):
    parts = list(client.runs.stream(None, "trivial", input={"x": 1},
                                    stream_mode=["values", "updates"]))
    assert [(p.event, p.data) for p in parts[1:]] == [
        ("values", {"x": 1, "log": []}), ("updates", {"n0": {"x": 2}}),
        ("values", {"x": 2, "log": []})]
    assert {a["graph_id"] for a in client.assistants.search(limit=100)} >= {"trivial", "weather"}


def test_every_token(client):
    parts = list(client.runs.stream(None, "tokens", stream_mode="messages-tuple",
                                    input={"messages": [{"role": "human", "content": "hi"}]}))
    said = [p.data[0]["content"] for p in parts if p.event == "messages"]
    assert len(said) >= 999 and "".join(said).split() == [f"w{i}" for i in range(500)]


def test_legacy_messages_end_complete(client):
    parts = list(client.runs.stream(None, "tokens", stream_mode="messages",
                                    input={"messages": [{"role": "human", "content": "hi"}]}))
    names = [p.event for p in parts[1:]]
    assert names[0] == "messages/metadata" and names[-1] == "messages/complete"
    assert set(names[1:-1]) == {"messages/partial"}
    assert len(parts[-1].data[0]["content"].split()) == 500


def test_events_mode(client):
    parts = list(client.runs.stream(None, "trivial", input={"x": 1}, stream_mode=["events"]))
    events = [p.data for p in parts if p.event == "events"]
    run_id = parts[0].data["run_id"]
    assert events[0]["event"] == "on_chain_start" and events[0]["run_id"] == run_id
    assert {"on_chain_start", "on_chain_end"} <= {e["event"] for e in events if e["name"] == "n0"}


def test_interrupt_state_and_history(client):
    thread = client.threads.create()["thread_id"]
    first = list(client.runs.stream(thread, "ask", input={"log": ["in"]}, stream_mode="updates"))
    asked = first[-1].data["__interrupt__"]
    state = client.threads.get_state(thread)
    assert state["next"] == ["ask"] and state["tasks"][0]["interrupts"] == asked
    row = client.threads.get(thread)
    assert row["status"] == "interrupted" and list(row["interrupts"].values()) == [asked]
    client.runs.wait(thread, "ask", command={"resume": "yes"})
    history = client.threads.get_history(thread)
    assert [h["next"] for h in history] == [[], ["ask"], ["before"], ["__start__"]]
    assert [h["values"]["log"] for h in history] == [
        ["in", "before", "yes"], ["in", "before"], ["in"], []]
    assert history[1]["tasks"][0]["result"] == {"log": ["yes"]}


def test_types_survive_the_store(client, api):
    thread = client.threads.create()["thread_id"]
    shown = client.runs.wait(thread, "typed", input={})["kept"]
    assert shown["datetime"] == "2026-01-02T03:04:05+00:00" and shown["colour"] == "red"
    assert shown["person"] == {"name": "Ada", "at": "2020-01-01T00:00:00"}
    assert shown["point"] == {"x": 1, "when": "2021-02-03"} and shown["numbers"] == {"1": "one"}
    same = client.runs.wait(thread, "typed", input={})["types"]
    assert same == [*sorted(["datetime", "uuid", "person", "point", "colour", "bytes", "set",
                             "numbers", "huge"]), "AIMessage"]
    state = api.get(f"/threads/{thread}/state")
    assert state["values"]["kept"] == shown


def test_factory_reads_its_config(client):
    names = {"configurable": {"names": ["a", "b"]}}
    assert client.runs.wait(None, "made", input={}, config=names)["log"] == [
        "a of basic", "b of basic"]
    assert client.runs.wait(None, "made", input={})["log"] == ["only of basic"]


def test_factory_is_told_why_it_is_called(client):
    said = client.runs.wait(None, "for_access", input={}, context={"a": 1})["log"]
    assert said == ["threads.create_run", {"a": 1}]


def test_a_node_that_ends_the_process_fails_its_run_alone(client):
    last = list(client.runs.stream(None, "leaving", input={}))[-1]
    assert last.event == "error" and last.data["error"] == "SystemExit"
    assert client.runs.wait(None, "trivial", input={"x": 1})


def test_items(client):
    for word in ("hello", "abc"):
        found = client.runs.wait(None, "memory", input={"word": word})["found"]
    assert found == [{"n": 3, "w": "abc"}, ["hello"], [["words", "all"]], None]


def test_a_broken_import_says_why(client, python):
    parts = list(client.runs.stream(None, "broken", input={}))
    assert parts[-1].event == "error" and parts[-1].data["error"] == "GraphLoadError"
    assert "No module named 'no_such_library'" in parts[-1].data["message"]
    assert "project.later sections=auth" in python.log()


def test_schemas_and_drawing(api):
    assistant = next(a for a in api.post("/assistants/search", {"graph_id": "ask"}))
    route = f"/assistants/{assistant['assistant_id']}"
    drawn = api.get(f"{route}/graph")
    assert [n["id"] for n in drawn["nodes"]] == ["__start__", "before", "ask", "__end__"]
    assert "log" in api.get(f"{route}/schemas")["state_schema"]["properties"]


def test_checkpointer_conforms(client):
    thread = client.threads.create()["thread_id"]
    report = client.runs.wait(thread, "checks", input={})["report"]
    assert {name: r["failures"] for name, r in report.items() if not r["passed"]} == {}
    assert len(report) >= 8


def test_cancel(client, api, tmp_path):
    thread = client.threads.create()["thread_id"]
    run = api.start(thread, "gate", input={"path": str(tmp_path / "never")})
    until(lambda: client.threads.get_state(thread)["next"] == ["second"], "the first step")
    api.ok("POST", f"/threads/{thread}/runs/{run['run_id']}/cancel?wait=1", {}, 204)
    assert api.run(run)["status"] == "interrupted"
    (tmp_path / "now").touch()
    done = client.runs.wait(thread, "gate", input={"path": str(tmp_path / "now")})
    assert done["log"] == ["first", "first", "waited"]


def test_another_goes_on_after_a_kill(own, tmp_path):
    client = get_sync_client(url=own.url)
    first = start_worker(own)
    first.wait_line("ready ", seconds=PATIENCE)
    api, gate = Api(own.url), tmp_path / "gate"
    thread = client.threads.create()["thread_id"]
    run = api.start(thread, "gate", input={"path": str(gate)})
    until(lambda: client.threads.get_state(thread)["next"] == ["second"], "the first step")
    start_worker(own).wait_line("ready ", seconds=PATIENCE)
    os.kill(first.pid, signal.SIGKILL)
    gate.touch()
    api.wait_status(run, "success", seconds=30)
    assert client.threads.get_state(thread)["values"]["log"] == ["first", "waited"]
    assert len(client.threads.get_history(thread)) == 4


@pytest.mark.parametrize("graph", ["stuck", "held"])
def test_a_stuck_node_is_replaced(own, tmp_path, graph):
    """It holds the loop up, or a thread; the others are handed back and no
    attempt counts."""
    worker = start_worker(own, "--cancel-deadline=500ms")
    worker.wait_line("ready ", seconds=PATIENCE)
    client, api = get_sync_client(url=own.url), Api(own.url)
    gate = tmp_path / "gate"
    other_thread, thread = (client.threads.create()["thread_id"] for _ in range(2))
    other = api.start(other_thread, "gate", input={"path": str(gate)})
    until(lambda: client.threads.get_state(other_thread)["next"] == ["second"], "the other run")
    begun = tmp_path / "begun"
    run = api.start(thread, graph, input={"seconds": 60, "path": str(begun)})
    until(begun.exists, "the stuck node")
    api.ok("POST", f"/threads/{thread}/runs/{run['run_id']}/cancel?wait=1", {}, 204)
    gate.touch()
    api.wait_status(other, "success", seconds=30)
    assert api.run(run)["status"] == "interrupted"
    assert client.threads.get_state(other_thread)["values"]["log"] == ["first", "waited"]
    assert "graphs.replaced" in worker.log() and worker.alive()


def test_the_graphs_may_die(own, tmp_path):
    """Their process goes, the wire with it, and the attempt counts."""
    worker = start_worker(own)
    worker.wait_line("ready ", seconds=PATIENCE)
    client, api = get_sync_client(url=own.url), Api(own.url)
    gate, thread = tmp_path / "gate", client.threads.create()["thread_id"]
    run = api.start(thread, "gate", input={"path": str(gate)})
    until(lambda: client.threads.get_state(thread)["next"] == ["second"], "the first step")
    children = pathlib.Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text()
    os.kill(int(children.split()[0]), signal.SIGKILL)
    assert worker.wait(60) == 4 and "graphs.died" in worker.log()
    gate.touch()
    start_worker(own).wait_line("ready ", seconds=PATIENCE)
    api.wait_status(run, "success", seconds=30)
    parts = list(client.runs.join_stream(thread, run["run_id"], last_event_id="-1"))
    assert [p.data["attempt"] for p in parts if p.event == "metadata"] == [1, 2]


def test_another_graph_of_the_same_id_is_refused(own):
    own.start_worker(f"--graphs={proc.GRAPHS / 'trivial.so'}")
    second = start_worker(own)
    assert second.wait(PATIENCE) == 1
    assert "ids must be unique" in second.log()


def test_stops_in_order(own):
    worker = start_worker(own)
    worker.wait_line("ready ", seconds=PATIENCE)
    assert worker.stop() == 0


def test_wrong_use_is_told(tmp_path):
    wrong = proc.Proc(tmp_path, "wrong", [PROGRAM, "--config=nowhere.json"])
    assert wrong.wait(60) == 2 and "nowhere.json" in wrong.log()
    unknown = proc.Proc(tmp_path, "unknown", [PROGRAM, "--what=1"])
    assert unknown.wait(60) == 2 and "--what" in unknown.log()
