# SPDX-License-Identifier: Apache-2.0
"""Every fault point of common/fault.tbl.h is hit while runs go on, and nothing
is lost; docs/faults.md says what they are."""

import re

import pytest
from rig.blows import break_at
from rig.points import LATER, ROWS, TABLE, cases
from support.proc import BUILD, ROOT, Proc

pytestmark = pytest.mark.timeout(120)


def test_every_row_is_read():
    assert len(ROWS) == len(re.findall(r"^FAULT\(", TABLE, re.M)) > 20


def test_the_page_has_every_row():
    page = (ROOT / "docs" / "faults.md").read_text()
    rows = re.findall(r"^\| `([\w-]+)` \| ([^|]+) \| (\w+) \| ([^|]+) \|$", page, re.M)
    effects = {"KILL": "dies", "STOP": "stops", "FAIL": "fails"}
    assert rows == [(name, ", ".join(p.removeprefix("PROC_").lower()
                                     for p in programs.split(" | ")), effects[effect], moment)
                    for name, programs, effect, moment in ROWS]


@pytest.mark.parametrize("text", ["nowhere:1", "desk-submit", "desk-submit:0", "desk-submit:x"])
def test_what_is_not_understood_is_refused(tmp_path, text):
    proc = Proc(tmp_path, "broker", [BUILD / "leat-broker", f"--store=sqlite:{tmp_path}/x.db"],
                {"LEAT_FAULT": text})
    assert proc.wait(10) == 2
    assert "LEAT_FAULT" in proc.log()


@pytest.mark.parametrize("point, victim", cases("sqlite"))
def test_sqlite(world, point, victim):
    break_at(world, victim, point, LATER.get(point, 1), seed=1)


@pytest.mark.parametrize("point, victim", [
    c for c in cases("postgresql") if c[0].startswith(("batch-", "ledger-after", "journal-after"))])
def test_postgresql(world_pg, point, victim):
    break_at(world_pg, victim, point, LATER.get(point, 1), seed=2)
