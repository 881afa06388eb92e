# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the chaos tests: worlds of processes that are meant to die. They
stand on the support of the system tests."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import pytest
from rig.world import World
from support import postgres, proc


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        item.session.has_failed = True
        for stack in proc.live:
            report.sections.append((f"logs in {stack.folder}", stack.log()[-60000:]))


@pytest.fixture(scope="session")
def server():
    """A PostgreSQL of these tests' own: it is killed."""
    started = postgres.Server()
    yield started
    started.stop()


class Box:
    """A world that tests share until one of them fails in it."""

    def __init__(self, make):
        self.make, self.world = make, None

    def drop(self):
        if self.world:
            self.world.close()
        self.world = None


@pytest.fixture(scope="session")
def boxes(tmp_path_factory, request):
    def sqlite():
        return World(tmp_path_factory.mktemp("world"))

    def pg():
        server = request.getfixturevalue("server")
        return World(tmp_path_factory.mktemp("world"), server.new_database(), server)

    made = {"sqlite": Box(sqlite), "postgresql": Box(pg)}
    yield made
    for box in made.values():
        box.drop()


def shared(box, session):
    if getattr(session, "has_failed", False):
        session.has_failed = False
        box.drop()
    box.world = box.world or box.make()
    return box.world


@pytest.fixture
def world(boxes, request):
    """On SQLite."""
    return shared(boxes["sqlite"], request.session)


@pytest.fixture
def world_pg(boxes, request):
    return shared(boxes["postgresql"], request.session)
