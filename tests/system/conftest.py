# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the system tests.

`stack` is a whole Leat that the tests of a module share; a test that breaks
something starts its own with `dev` or `parts`. When it has stopped, what must
hold in every store holds in its. On failure the logs of every process that is
up are shown.

Tests run on SQLite; smoke tests and those of BOTH run on PostgreSQL as well,
those of MANY there on two gateways and four workers besides. All run on what
LEAT_TEST_STORES names: sqlite, postgresql, many.
"""

import os
import pathlib
import re
import subprocess

import pytest

from support import proc, postgres
from support.api import Api

# The SDKs take keys and proxies from the environment; tests give their own.
for name in list(os.environ):
    if name.lower().endswith("_proxy") or name in (
            "LANGGRAPH_API_KEY", "LANGSMITH_API_KEY", "LANGCHAIN_API_KEY"):
        del os.environ[name]

# As the Makefile has it: a build knows PostgreSQL when its driver is there.
BUILT = "sqlite,postgresql" if (proc.ROOT / "common/store/pg.c").exists() else "sqlite"
STORES = os.environ.get("LEAT_TEST_STORES", BUILT).split(",")
ASKED = "LEAT_TEST_STORES" in os.environ
BOTH = ("test_cancel", "test_crons", "test_idempotency", "test_items", "test_multitask",
        "test_resources", "test_tenancy", "test_thread_stream", "test_threads", "test_wait_join",
        "test_webhooks")
MANY = ("test_crons", "test_thread_stream", "test_threads", "test_wait_join")


def pytest_configure(config):
    config.addinivalue_line("markers", "sqlite: about the embedded store only")
    config.addinivalue_line("markers", "postgresql: about that server only")


def later():
    """Parts of test ids, with `*` for anything, and what they wait for.
    LEAT_TEST_LATER=1 runs them all the same."""
    text = (pathlib.Path(__file__).parent / "later.txt").read_text()
    for line in text.splitlines():
        if line and not line.startswith("#"):
            part, feature = line.split(" | ")
            part = part.replace("[sqlite-", "[*-")  # on every store
            yield re.compile(".*".join(map(re.escape, part.split("*")))), feature


def pytest_collection_modifyitems(items):
    waiting = [] if os.environ.get("LEAT_TEST_LATER") else list(later())
    for item in items:
        for part, feature in waiting:
            if part.search(item.nodeid):
                item.add_marker(pytest.mark.skip(reason=f"comes later: {feature}"))
                break
        if STORES[0] != "sqlite" and item.get_closest_marker("sqlite"):
            item.add_marker(pytest.mark.skip(reason="about the embedded store"))


def kinds_of(metafunc):
    marks = {m.name for m in metafunc.definition.iter_markers()}
    module = metafunc.module.__name__
    if "postgresql" in marks:
        return [k for k in STORES if k == "postgresql"]
    kinds = STORES if ASKED or module in BOTH or "smoke" in marks else STORES[:1]
    if "sqlite" in marks and len(kinds) > 1:
        kinds = [k for k in kinds if k == "sqlite"]
    if "stack" not in metafunc.fixturenames:
        return [k for k in kinds if k != "many"]
    return kinds + ["many"] if "postgresql" in kinds and module in MANY and not ASKED else kinds


def pytest_generate_tests(metafunc):
    if "store_kind" in metafunc.fixturenames:
        metafunc.parametrize("store_kind", kinds_of(metafunc), scope="module")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for stack in proc.live:
            report.sections.append((f"logs in {stack.folder}", stack.log()[-12000:]))


@pytest.fixture(scope="session")
def cluster():
    """The PostgreSQL server of this session, started by the first who asks."""
    server = []

    def get():
        if not server:
            server.append(postgres.Server())
        return server[0]

    yield get
    for started in server:
        started.stop()


@pytest.fixture(scope="module")
def new_store(cluster, store_kind):
    """Makes the URL of an empty store; None: SQLite in the stack's folder."""
    return (lambda: None) if store_kind == "sqlite" else lambda: cluster().new_database()


@pytest.fixture(scope="module")
def stack(tmp_path_factory, request, new_store, store_kind):
    """Shared: one broker, one gateway, two workers, default options but a
    heartbeat that is quick enough to see."""
    options = getattr(request.module, "STACK_OPTIONS", ())
    env = getattr(request.module, "STACK_ENV", None)
    many = store_kind == "many"
    make = proc.Stack.many if many else proc.Stack.dev
    started = make(tmp_path_factory.mktemp("stack"), *options, env=env, store=new_store())
    yield started
    faults = started.faults()
    lost = [started.metrics(k).get("leat_events_lost_total", 0) for k in ("gateway", "broker")]
    restarts = [k for k, n in (("broker", 1), ("gateway", 2 if many else 1),
                               ("worker", 4 if many else 2)) if len(started.pids(k)) != n]
    log = started.log()[-12000:]
    started.close()
    assert faults == [] and restarts == [] and lost == [0, 0], log
    assert started.store_faults() == "", log


@pytest.fixture
def api(stack):
    return Api(stack.url)


@pytest.fixture
def dev(tmp_path, request, new_store):
    """Starts stacks of the test's own with leat dev."""
    yield from _starter(tmp_path, request, new_store, proc.Stack.dev)


@pytest.fixture
def parts(tmp_path, request, new_store):
    """Starts stacks of the test's own from single programs."""
    yield from _starter(tmp_path, request, new_store, proc.Stack.parts)


def _starter(tmp_path, request, new_store, make):
    mine = []

    def start(*args, **more):
        more.setdefault("store", new_store())
        started = make(tmp_path / f"{make.__name__}{len(mine)}", *args, **more)
        mine.append(started)
        return started

    yield start
    for started in mine:
        started.abandon()
    assert [started.store_faults() for started in mine] == [""] * len(mine)


@pytest.fixture(scope="session")
def node():
    """Runs a script of tests/system/js and gives what it printed."""
    program = proc.ROOT / "build" / "bin" / "node"
    npm = pathlib.Path(os.environ.get("LEAT_NPM", proc.ROOT / "build" / "npm"))
    if not (npm / "node_modules" / "@langchain" / "langgraph-sdk").is_dir():
        pytest.fail(f"{npm} has no JavaScript SDK: run deploy/install-deps test")

    def run(script, url, **env):
        path = proc.ROOT / "tests" / "system" / "js" / script
        done = subprocess.run([program, path], env=clean_node_env(npm, url, env),
                              capture_output=True, text=True, timeout=120 * proc.PATIENCE)
        assert done.returncode == 0, f"{script}: {done.stdout}\n{done.stderr}"
        return done.stdout

    return run


def clean_node_env(npm, url, more):
    return proc.clean_env({"LEAT_NPM": str(npm), "LEAT_TEST_URL": url, **more})
