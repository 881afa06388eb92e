# SPDX-License-Identifier: Apache-2.0
"""Gives what schemathesis generates something to work on.

Valid ids and names are replaced, most of them, by those of things that exist:
random ones would only ever be 404. Invalid values stay as they are. What would
make a run last, or call somebody else, is made harmless.
"""

import os
import re
import uuid

import requests
import schemathesis

URL = os.environ["LEAT_FUZZ_URL"]
KEY = os.environ["LEAT_FUZZ_KEY"]
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
GRAPHS = ("trivial", "agent", "nested", "error")
SCHEDULES = ("* * * * *", "*/15 9-17 * * mon-fri", "0 0 29 2 *", "59 23 31 12 6")

session = requests.Session()
session.headers["x-api-key"] = KEY


def make(path, body):
    answer = session.post(URL + path, json=body, timeout=20)
    answer.raise_for_status()
    return answer.json()


class Things:
    """What exists: made at the first need, some anew for each who deletes."""

    def __init__(self):
        self.kept = {}

    def thread(self):
        thread = make("/threads", {"metadata": {"made": "for fuzzing"}})["thread_id"]
        make(f"/threads/{thread}/runs/wait", {"assistant_id": "trivial", "input": {"x": 1}})
        return thread

    def run(self):
        thread = make("/threads", {})["thread_id"]
        run = make(f"/threads/{thread}/runs", {"assistant_id": "trivial", "input": {"x": 1}})
        return thread, run["run_id"]

    def assistant(self):
        return make("/assistants", {"graph_id": "trivial"})["assistant_id"]

    def cron(self):
        return make("/runs/crons", {"assistant_id": "trivial", "schedule": "0 0 1 1 *"})["cron_id"]

    def get(self, kind, fresh):
        if fresh or kind not in self.kept:
            self.kept[kind] = getattr(self, kind)()
        return self.kept[kind]


things = Things()


def is_id(value):
    return isinstance(value, str) and UUID.fullmatch(value)


def chosen(value, of=4):
    """Three of four: always the same for the same value."""
    return uuid.uuid5(uuid.NAMESPACE_OID, repr(value)).int % of


def place(case, parameters):
    """Path parameters of things that exist."""
    if case.path == "/threads/{thread_id}/stream" and is_id(parameters.get("thread_id")):
        parameters["thread_id"] = str(uuid.uuid4())  # of one that exists it would not end
        return
    fresh = case.method in ("DELETE", "PATCH") or case.path.endswith("/cancel")
    thread, run = parameters.get("thread_id"), parameters.get("run_id")
    if is_id(thread) and is_id(run) and chosen(thread):
        parameters["thread_id"], parameters["run_id"] = things.get("run", fresh)
    elif is_id(run) and chosen(run):
        parameters["run_id"] = things.get("run", fresh)[1]
    elif is_id(thread) and chosen(thread):
        parameters["thread_id"] = things.get("thread", fresh)
    name = parameters.get("assistant_id")
    if isinstance(name, str) and name and "\0" not in name and chosen(name):
        parameters["assistant_id"] = things.get("assistant", fresh)
    if is_id(parameters.get("cron_id")) and chosen(parameters["cron_id"]):
        parameters["cron_id"] = things.get("cron", fresh)


def tame(case, body):
    """A body that names what exists, and is done soon."""
    if isinstance(body, list):
        del body[5 if len(body) <= 1000 else len(body):]
        for part in body:
            tame(case, part)
    if not isinstance(body, dict):
        return
    name = body.get("assistant_id")
    if isinstance(name, str) and name and "\0" not in name and chosen(name) and \
            case.path != "/assistants":
        body["assistant_id"] = GRAPHS[chosen(name, len(GRAPHS))]
    graph = body.get("graph_id")
    if isinstance(graph, str) and graph and "\0" not in graph and chosen(graph):
        body["graph_id"] = GRAPHS[chosen(graph, len(GRAPHS))]
    late = body.get("after_seconds")
    if isinstance(late, (int, float)) and not isinstance(late, bool) and 0 <= late <= 3.2e9:
        body["after_seconds"] = 0
    hook = body.get("webhook")
    if isinstance(hook, str) and re.match("https?://|/", hook):
        body["webhook"] = "http://127.0.0.1:9/" + "x" * min(len(hook), 60000)
    if isinstance(body.get("schedule"), str) and chosen(body["schedule"]):
        body["schedule"] = SCHEDULES[chosen(body["schedule"], len(SCHEDULES))]
    if isinstance(body.get("timezone"), str) and chosen(body["timezone"]):
        body["timezone"] = "Europe/Berlin"
    if isinstance(body.get("end_time"), str) and re.match(r"\d{4}-\d\d-\d\dT", body["end_time"]):
        body["end_time"] = "2199" + body["end_time"][4:]
    for many in ("thread_ids", "ids"):
        if isinstance(body.get(many), list) and all(map(is_id, body[many])) and body[many]:
            body[many][0] = things.get("thread", many == "thread_ids")
    if is_id(body.get("thread_id")) and isinstance(body.get("run_ids"), list) and \
            body["run_ids"] and all(map(is_id, body["run_ids"])):
        body["thread_id"], body["run_ids"] = (lambda t, r: (t, [r]))(*things.get("run", True))
    if case.path == "/internal/truncate":
        for key, value in body.items():
            body[key] = False if value is True else value


def rename(case):
    """A key for each request: the same one again means the same request."""
    name = next((k for k in case.headers or () if k.lower() == "idempotency-key"), None)
    if name and isinstance(case.headers[name], str) and 0 < len(case.headers[name]) <= 255:
        asked = repr((case.path, case.path_parameters, case.body))
        case.headers[name] = uuid.uuid5(uuid.NAMESPACE_OID, asked).hex + case.headers[name][32:]


# What is wrong with requests that the schemas allow: they cannot say it.
UNSAID = re.compile("|".join((
    r"^the request cannot be read",  # a tab in a header
    r"no graph id", r"^config\.configurable and context are both given",
    r"^schedule: ", r"^timezone: ", r"^end_time: ", r"^filter\.\S+: must be",
    r"^namespace: must not be longer", r"^key: must not be longer", r"^version: is required",
    r"^InvalidUpdateError: ", r"^command\.resume: ")))


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """A request that follows its schema may be refused for these reasons alone,
    one that does not be taken because an empty value in a query is none."""
    kind = type(failure).__name__
    if kind == "AcceptedNegativeData":
        return not any(value in ("", [""]) for value in (case.query or {}).values())
    if kind != "RejectedPositiveData":
        return True
    return not UNSAID.search(response.json()["detail"])


@schemathesis.hook
def before_call(context, case, kwargs):
    if isinstance(case.path_parameters, dict):
        place(case, case.path_parameters)
    if isinstance(case.body, (dict, list)):
        tame(case, case.body)
    rename(case)
