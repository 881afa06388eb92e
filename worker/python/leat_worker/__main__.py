# SPDX-License-Identifier: Apache-2.0
"""leat-worker-python: the process that people start. It is the wire."""

import pathlib
import sys

from . import admin, log, options
from .desk import Desk


def main():
    given = options.read(sys.argv[1:])
    log.setup(given.log_level, "worker-python")
    if not pathlib.Path(given.config).is_file():
        sys.stderr.write(f"leat-worker-python: --config {given.config}: there is no such file\n")
        return 2
    desk = Desk(given)
    if given.admin_listen:
        admin.start(given.admin_listen, desk)
    return desk.run()


if __name__ == "__main__":
    sys.exit(main())
