# SPDX-License-Identifier: Apache-2.0
"""A short matrix of who dies, when and how: whatever happens, every reader
sees every event once and in order, every run ends, and what is stored is what
was shown. `make chaos` plays it for as long as one likes."""

import pytest
from rig.blows import Blow, Tally, round_of

pytestmark = pytest.mark.timeout(120)

BLOWS = [
    Blow(("worker1",), "kill"),
    Blow(("gateway1",), "kill"),
    Blow(("broker",), "kill"),
    Blow(("worker1", "worker2"), "kill"),
    Blow(("gateway1", "gateway2"), "kill"),
    Blow(("worker1", "gateway2"), "kill"),
    Blow(("broker", "gateway1"), "kill"),
    Blow(("broker", "worker1"), "kill"),
    Blow(("worker2",), "reset", seconds=0.5),
    Blow(("worker2",), "silent", seconds=3),
    Blow(("gateway2",), "reset", seconds=0.5),
    Blow(("gateway2",), "silent", seconds=2),
    Blow(("worker1",), "stop", seconds=2.6),
]
BLOWS_PG = [
    Blow(("postgres",), "kill", seconds=0.5),
    Blow(("worker1",), "kill"),
    Blow(("broker",), "kill"),
    Blow(("gateway1",), "kill"),
    Blow(("broker", "worker1"), "kill"),
]


@pytest.mark.parametrize("blow", BLOWS, ids=str)
def test_sqlite(world, blow):
    tally = Tally()
    round_of(world, blow, seed=BLOWS.index(blow), tally=tally)
    print(tally.report())


@pytest.mark.parametrize("blow", BLOWS_PG, ids=str)
def test_postgresql(world_pg, blow):
    tally = Tally()
    round_of(world_pg, blow, seed=BLOWS_PG.index(blow), tally=tally)
    print(tally.report())
