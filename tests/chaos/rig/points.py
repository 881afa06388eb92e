# SPDX-License-Identifier: Apache-2.0
"""The fault points, as common/fault.tbl.h has them, and where each is hit."""

import re

from support.proc import ROOT

TABLE = (ROOT / "common" / "fault.tbl.h").read_text()
# (name, programs, effect, moment)
ROWS = re.findall(r'^FAULT\(\w+, "([\w-]+)", ([\w |]+), (\w+),\s+"([^"]+)"\)', TABLE, re.M)
VICTIMS = {"PROC_BROKER": "broker", "PROC_WORKER": "worker1", "PROC_GATEWAY": "gateway1"}
# At which passing, where the first would be too early to tell anything.
LATER = {"worker-event": 7, "worker-step": 3, "worker-checkpoint": 3, "relay-events": 9,
         "gateway-events": 6, "gateway-written": 4, "journal-before-commit": 3,
         "journal-after-commit": 3, "ledger-before-commit": 2, "batch-before-commit": 4,
         "batch-after-commit": 4, "desk-stop": 9, "worker-stop": 9, "gateway-stop": 6}


def cases(store):
    """(point, victim): each point at each program that has it on this store."""
    committer = "PROC_BROKER" if store == "sqlite" else "PROC_WORKER"
    for name, programs, _, _ in ROWS:
        for program in programs.split(" | "):
            # Checkpoints are committed by the vault, or by each worker's scribe.
            if not name.startswith("batch-") or program == committer:
                yield name, VICTIMS[program]
