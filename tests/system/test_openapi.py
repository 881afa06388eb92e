# SPDX-License-Identifier: Apache-2.0
"""/openapi.json says what the server does: compared with the tables that the
server is built from, and with what it answers to schemathesis.

`make fuzz-api` does the latter with fresh seeds and for as long as it is told
(SEED, MINUTES)."""

import json
import os
import re
import subprocess

import jsonschema_rs
import pytest

from support.api import Api
from support.proc import ROOT, Stack

KEY = "open sesame"
OURS = ROOT / "tests/system/schemathesis"
SEED = int(os.environ.get("LEAT_FUZZ_SEED", "1"))
MINUTES = float(os.environ.get("LEAT_FUZZ_MINUTES", "0"))


@pytest.fixture(scope="module")
def server(tmp_path_factory, new_store):
    """With a key and a prefix, as the document is to say."""
    started = Stack.dev(tmp_path_factory.mktemp("server"), "--api-key", KEY,
                        "--mount-prefix=/api", store=new_store())
    yield started
    faults = started.faults()
    started.close()
    assert faults == []


@pytest.fixture
def locked(server):
    return Api(server.url, KEY)


@pytest.fixture
def document(locked):
    return locked.get("/api/openapi.json")


def operations(document):
    return [(verb.upper(), path, operation) for path, verbs in document["paths"].items()
            for verb, operation in verbs.items()]


# -- against the tables --------------------------------------------------------------

ROUTE = re.compile(r'^ROUTE\((\w+), "([^"]+)",\s*(\w+),\s*([\w| ]+)\)', re.M)
ROUTES = {(m[1], m[2]): m[4] for m in
          ROUTE.finditer((ROOT / "gateway/routes.tbl.h").read_text())}


def test_every_route_and_nothing_else(document):
    assert {(verb, path) for verb, path, _ in operations(document)} == set(ROUTES)
    for part in (ROOT / "gateway/openapi").glob("*.json"):
        for path, verbs in json.loads(part.read_text()).get("paths", {}).items():
            for verb in verbs:
                assert (verb.upper(), path) in ROUTES, f"{part.name} has {verb} {path}"


def test_what_routes_of_a_kind_answer(document):
    for verb, path, operation in operations(document):
        flags = ROUTES[verb, path]
        answers = set(operation["responses"])
        has_body = "JSON" in flags
        assert {"400", "503"} <= answers, path
        assert ("401" in answers) == (operation.get("security") != []) == ("OPEN" not in flags), path
        assert ("413" in answers) == has_body, path
        assert "requestBody" not in operation or has_body, path
        assert operation.get("requestBody", {}).get("required", False) in (flags == "GW_JSON", False)


def test_parameters_of_paths_are_those_of_their_templates(document):
    for verb, path, operation in operations(document):
        said = [resolve(document, p) for p in operation.get("parameters", [])]
        assert [p["name"] for p in said if p["in"] == "path"] == re.findall(r"{(\w+)}", path)
        assert all(p.get("required") for p in said if p["in"] == "path")
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))


def resolve(document, thing):
    if "$ref" in thing:
        at = document
        for name in thing["$ref"].removeprefix("#/").split("/"):
            at = at[name]
        return at
    return thing


def walk(thing):
    yield thing
    for inner in thing.values() if isinstance(thing, dict) else thing:
        if isinstance(inner, (dict, list)):
            yield from walk(inner)


def test_references_and_schemas_hold(document):
    used = set()
    for thing in walk(document):
        if isinstance(thing, dict) and "$ref" in thing:
            resolve(document, thing)
            used.add(thing["$ref"])
    for kind in ("schemas", "parameters", "headers", "responses"):
        for name, schema in document["components"][kind].items():
            assert f"#/components/{kind}/{name}" in used or name in ("Allow", "GraphSchemaNoId"), \
                f"{name} is not used"
            if kind == "schemas":
                jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema",
                                             **schema})


# A row of struct gw_check_field: {"name", check or NULL, "words" or NULL, required}
FIELD = re.compile(r'\{"(\w+)",\s*(\w+),\s*(NULL|"[^"]*"|[A-Z]+),\s*(?:true|false)\}')


def test_every_field_that_bodies_are_checked_for(document):
    """And the words that are allowed, to the letter."""
    said = {}
    for thing in walk(document["components"]["schemas"]):
        for name, schema in (thing.get("properties") or {}).items() if isinstance(thing, dict) else ():
            said.setdefault(name, []).append(resolve(document, schema))
    rows = 0
    for path in sorted((ROOT / "gateway").glob("*.c")):
        text = path.read_text()
        words_of = dict(re.findall(r'#define (\w+)((?:\s*\\?\n?\s*"[^"]*")+)', text))
        for name, _, words in FIELD.findall(text):
            rows += 1
            assert name in said, f"{path.name} checks {name}"
            if words != "NULL":
                text_of = words if words[0] == '"' else words_of[words]
                wanted = "".join(re.findall(r'"([^"]*)"', text_of)).split("|")
                assert any([w for w in s.get("enum", []) if w is not None] == wanted
                           for s in said[name]), f"{path.name}: {name} is one of {wanted}"
    assert rows > 80


# -- as a client sees it ------------------------------------------------------------------

def test_where_and_for_whom(document):
    assert document["openapi"].startswith("3.1.")
    assert document["servers"] == [{"url": "/api"}]
    assert document["security"] == [{"ApiKey": []}, {"Bearer": []}]
    scheme = document["components"]["securitySchemes"]["ApiKey"]
    assert scheme == {"type": "apiKey", "in": "header", "name": "x-api-key"}


def test_a_server_without_keys_says_so(api):
    document = api.get("/openapi.json")
    assert document["servers"] == [{"url": "/"}] and {} in document["security"]


def test_the_page_has_all_in_it(locked, document):
    got = locked.request("GET", "/api/docs")
    assert got.headers["Content-Type"] == "text/html; charset=utf-8"
    inside = re.search(r'<script id="document" type="application/json">(.*?)</script>', got.text, re.S)
    assert json.loads(inside[1]) == document
    assert "default-src 'none'" in got.headers["Content-Security-Policy"]
    page = got.text.replace(inside[1], "")
    assert not re.search(r'(src|href)=|https?://(?!127\.0\.0\.1)|@import|\burl\(', page)


def test_streams_of_a_thread(api):
    """What schemathesis cannot wait for, as they do not end."""
    thread = api.thread()
    api.post(f"/threads/{thread}/runs/wait", {"assistant_id": "trivial", "input": {"x": 1}})
    for cursor in ("-", "-1", "0", "nonsense", "9" * 40 + "-1", "1-" + "9" * 40, "1-1-1", "x" * 4000):
        with api.stream(f"/threads/{thread}/stream?stream_mode=lifecycle",
                        headers={"Last-Event-ID": cursor}) as opened:
            assert opened.status == 200 and opened.headers["content-type"] == "text/event-stream"
    assert api.request("GET", f"/threads/{thread}/stream?stream_mode=values").status == 422


# -- schemathesis -------------------------------------------------------------------------

COVERAGE, RANDOM = "coverage", "examples,fuzzing,stateful"


# Their bodies are those of others, which are enough for a quick look.
ALIKE = ("/runs", "/runs/wait", "/threads/{thread_id}/runs/wait", "/threads/{thread_id}/runs",
         "/threads/{thread_id}/runs/crons")


def look(server, folder, phases, examples=4):
    """Fails with what schemathesis has found. With MINUTES it goes on
    with one seed after the other."""
    command = [ROOT / "build/venv/bin/schemathesis", "--no-color",
               "--config-file", OURS / "schemathesis.toml",
               "run", f"{server.url}/api/openapi.json", "--header", f"x-api-key: {KEY}",
               "--phases", phases, "--output-sanitize", "false", "--seed", str(SEED)]
    if MINUTES:
        command += ["--max-time", str(int(MINUTES * 60))]
    else:
        command += ["--max-examples", str(examples), "--no-shrink"]
        command += [word for path in ALIKE for word in ("--exclude-path", path)]
    env = {**os.environ, "LEAT_FUZZ_URL": server.url + "/api", "LEAT_FUZZ_KEY": KEY,
           "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(OURS), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=folder, env=env, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    if done.returncode != 0:
        pytest.fail(done.stdout[-20000:], pytrace=False)


@pytest.mark.timeout(300 + 120 * MINUTES)
def test_random_requests(server, tmp_path):
    look(server, tmp_path, RANDOM + ("," + COVERAGE if MINUTES else ""))


@pytest.mark.postgresql
@pytest.mark.timeout(300 + 120 * MINUTES)
def test_every_kind_of_wrong_request(server, tmp_path):
    look(server, tmp_path, COVERAGE + ("," + RANDOM if MINUTES else ""))
