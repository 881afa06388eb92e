# SPDX-License-Identifier: Apache-2.0
"""What tests look up or change in a stack's database behind its back."""

import sqlite3
import subprocess
import uuid

from . import postgres


def execute(store, sql):
    """Rows as tuples of text; of a change, the number of rows."""
    if store.startswith("sqlite:"):
        with sqlite3.connect(store.removeprefix("sqlite:"), timeout=20) as db:
            done = db.execute(sql)
            rows = done.fetchall()
            return [tuple(map(str, row)) for row in rows] if done.description else done.rowcount
    done = subprocess.run([postgres.programs() / "psql", "-X", "-A", "-t", "-F", "\t", "-d", store,
                           "-c", sql], capture_output=True, text=True, timeout=60, check=True)
    lines = done.stdout.splitlines()
    if lines and lines[-1].startswith(("UPDATE ", "DELETE ")):
        return int(lines[-1].split()[1])
    return [tuple(line.split("\t")) for line in lines]


def literal(store, uid):
    """An id as it is stored."""
    digits = uuid.UUID(uid).hex
    return f"x'{digits}'" if store.startswith("sqlite:") else f"'\\x{digits}'::bytea"


def ids(store, sql, column):
    """The ids in a column of what `sql` (with {} for the column) finds."""
    text = f"lower(hex({column}))" if store.startswith("sqlite:") else f"encode({column}, 'hex')"
    return [str(uuid.UUID(row[0])) for row in execute(store, sql.format(text))]
