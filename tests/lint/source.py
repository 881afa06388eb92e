# SPDX-License-Identifier: Apache-2.0
"""What the checks share: which files there are, and C without its comments."""

import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = {"build", ".git", "leat-data", "node_modules", "__pycache__", "golden", ".pytest_cache"}


def files(*suffixes):
    """Paths below the root, as text with slashes, sorted."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [f for f in folders if f not in SKIPPED and not f.startswith("build-")]
        for name in names:
            if name.endswith(suffixes):
                found.append(pathlib.Path(folder, name).relative_to(ROOT).as_posix())
    return sorted(found)


def read(path):
    return (ROOT / path).read_text(errors="replace")


TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_of(text):
    """The text with comments, strings and characters blanked out; lines stay where they are."""
    return TOKEN.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def stem(path):
    """worker/graph/step.c -> step, common/conf.tbl.h -> conf"""
    return pathlib.PurePosixPath(path).name.split(".")[0]


def family(path):
    """json_write.c belongs to json"""
    return stem(path).split("_")[0]


def folder(path):
    return pathlib.PurePosixPath(path).parent.as_posix()


def functions(paths):
    """Function definitions as ctags sees them: path, name, line, end, static, signature."""
    if not paths:
        return []
    command = ["ctags", "--languages=C", "--langmap=C:.c.h", "--kinds-C=f", "--fields=+neS",
               "--extras=+F", "--output-format=json", "-L", "-", "-f", "-"]
    out = subprocess.run(command, input="\n".join(paths), stdout=subprocess.PIPE, text=True,
                         cwd=ROOT, check=True).stdout
    rows = [json.loads(line) for line in out.splitlines()]
    return [r for r in rows if r.get("kind") == "function"]


class Report:
    """Collects complaints; finish() prints them and gives the exit status."""

    def __init__(self, name):
        self.name = name
        self.lines = []

    def add(self, path, line, text):
        self.lines.append(f"{path}:{line}: {text}")

    def finish(self):
        for line in self.lines:
            print(line)
        if self.lines:
            print(f"{self.name}: {len(self.lines)} to mend")
        sys.exit(1 if self.lines else 0)
