#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A function's name says its home.

Every function with a name outside its file is called folder's prefix + file +
rest: brk_lane_admit is in broker/lane.c. A file json_write.c may also use its
family's name: json_x; one of many (a thread of threads.c) may be named in the
singular, and many of timer.c in the plural. In inner.c, the types that a whole
folder shares, the folder's prefix will do. Static functions carry no prefix.
"""

import re

from source import Report, files, folder, functions, stem

PREFIX = {
    "broker": "brk_",
    "worker": "wrk_",
    "worker/nodes": "node_",
    "worker/graph": "graph_",
    "gateway": "gw_",
    "cli": "cli_",
    "common": "",
    "common/store": "store_",
}
# Names that others gave: main, and what the gateway puts in place of libc's.
FOREIGN = {"main": r".*", "recv": r"gateway/handover\w*\.c"}
FOREIGN.update(dict.fromkeys(("poll", "accept", "listen"), r"gateway/gate\.c"))
# The public API is implemented where its data lives.
PUBLIC = re.compile(r"common/(value|json)\w*\.c|worker/graph/\w+\.c|worker/\w+\.c")


def allowed(path):
    """Beginnings of names that this file's functions may have."""
    where, name = folder(path), stem(path)
    prefix = PREFIX[where]
    if name == "inner" and prefix:
        return {prefix.rstrip("_")}
    words = name.split("_")
    starts = {prefix + "_".join(words[:n]) for n in range(1, len(words) + 1)}
    if prefix == name + "_":
        starts.add(name)
    return starts | {s[:-1] if s.endswith("s") else s + "s" for s in starts}


def fits(name, starts):
    return any(name == s or name.startswith(s + "_") for s in starts)


def main():
    report = Report("prefixes")
    paths = [p for p in files(".c", ".h") if folder(p) in PREFIX]
    for f in functions(paths):
        path, name, line = f["path"], f["name"], f["line"]
        starts = allowed(path)
        if name in FOREIGN and re.fullmatch(FOREIGN[name], path):
            continue
        if name.startswith("leat_") and PUBLIC.fullmatch(path):
            continue
        inline = path.endswith(".h")
        if f.get("file") and not inline:
            prefix = PREFIX[folder(path)]
            if prefix and name.startswith(prefix):
                report.add(path, line, f"{name} is static: no prefix {prefix}")
        elif not inline and not fits(name, starts):
            report.add(path, line, f"{name} should begin with {min(starts, key=len)}")
    report.finish()


if __name__ == "__main__":
    main()
