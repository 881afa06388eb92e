#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""No two kinds of struct share a magic number, or they would pass for each other."""

import re

from source import Report, files, line_of, read

MAGIC = re.compile(r"#define\s+(\w+)\s+(?:\\\s*)?LEAT_MAGIC\((0x[0-9a-fA-F]+)U?\)")


def main():
    report = Report("magic")
    numbers = {}
    for path in files(".c", ".h"):
        text = read(path)
        for match in MAGIC.finditer(text):
            name, number = match.group(1), int(match.group(2), 16)
            line = line_of(text, match.start())
            if path == "common/base.h":
                continue
            if not 0 < number <= 0xFFFFFFFF:
                report.add(path, line, f"{name} is not a 32-bit number above 0")
            if number in numbers:
                report.add(path, line, f"{name} has the number of {numbers[number]}")
            numbers.setdefault(number, f"{name} in {path}")
    report.finish()


if __name__ == "__main__":
    main()
