#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sizes and words that the conventions rule out.

Functions of more than 70 lines, files of more than 1,000, lines of more than
100 columns, more than five parameters, calls that overrun buffers, sleeps in
tests, marks of unfinished work, files without their licence line.
"""

import re

from source import Report, code_of, files, functions, line_of, read

FUNCTION_LINES = 70
FILE_LINES = 1000
COLUMNS = 100
PARAMETERS = 5

BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|alloca|strtok)\s*\(")
SLEEPS = re.compile(r"\b(?:(?:time|asyncio)\.)?(sleep|usleep|nanosleep)\s*\(")
MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|#\s*if\s+0\b")
LICENCE = "SPDX-License-Identifier: Apache-2.0"
SOURCES = (".c", ".h", ".py", ".mjs", ".mts", ".ts")


def check_text(report, path):
    text = read(path)
    lines = text.split("\n")
    if len(lines) - 1 > FILE_LINES:
        report.add(path, 1, f"{len(lines) - 1} lines, at most {FILE_LINES}")
    if LICENCE not in "\n".join(lines[:3]):
        report.add(path, 1, f"no line {LICENCE}")
    for number, line in enumerate(lines, 1):
        width = len(line)
        if width > COLUMNS and path.endswith((".c", ".h")) and not path.endswith(".tbl.h"):
            report.add(path, number, f"{width} columns, at most {COLUMNS}")
        if line.rstrip() != line:
            report.add(path, number, "blanks at the end of the line")
        if MARKS.search(line) and not path.startswith("tests/lint/"):
            report.add(path, number, "mark of unfinished work")


def check_code(report, path):
    text = read(path)
    code = code_of(text) if path.endswith((".c", ".h")) else text
    patterns = [BANNED] if path.endswith((".c", ".h")) else []
    if path.startswith(("tests/unit/", "tests/system/", "tests/chaos/", "tests/harness/")):
        patterns.append(SLEEPS)
    for pattern in patterns:
        for match in pattern.finditer(code):
            report.add(path, line_of(code, match.start()), f"{match.group(1)} is ruled out")


def parameters_of(signature):
    """How many parameters a C signature has; commas of function pointers do not count."""
    inner, depth, count = signature.strip()[1:-1], 0, 1
    if inner.strip() in ("", "void"):
        return 0
    for c in inner:
        depth += (c == "(") - (c == ")")
        count += c == "," and depth == 0
    return count


def main():
    report = Report("limits")
    for path in files(*SOURCES):
        check_text(report, path)
        check_code(report, path)
    for f in functions(files(".c")):
        size = f.get("end", f["line"]) - f["line"] + 1
        if size > FUNCTION_LINES:
            report.add(f["path"], f["line"], f"{f['name']}: {size} lines, at most {FUNCTION_LINES}")
        count = parameters_of(f.get("signature", "()"))
        if count > PARAMETERS and not f["path"].startswith("tests/"):
            report.add(f["path"], f["line"], f"{f['name']}: {count} parameters, at most {PARAMETERS}")
    report.finish()


if __name__ == "__main__":
    main()
