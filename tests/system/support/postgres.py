# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server of the tests' own, in a folder of its own, on a free port."""

import glob
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile

from .proc import free_range
from .wait import until


def programs():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    where = shutil.which("initdb")
    if not found and not where:
        raise RuntimeError("no PostgreSQL programs: run deploy/install-deps test")
    return pathlib.Path(found[-1] if found else os.path.dirname(where))


class Server:
    """Stopped with stop(), which removes all of it. initdb refuses root, so
    root becomes postgres, who could not enter pytest's folders."""

    def __init__(self, fsync=False):
        self.fsync = "on" if fsync else "off"
        self.bin = programs()
        self.port = free_range(1)
        self.count = 0
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="leat-postgres-"))
        self.folder.chmod(0o755)
        self.data = self.folder / "data"
        self.user = None
        if os.getuid() == 0:
            self.user = "postgres"
            account = pwd.getpwnam("postgres")
            self.data.mkdir()
            os.chown(self.data, account.pw_uid, account.pw_gid)
        self._run("initdb", "-D", self.data, "-U", "leat", "-A", "trust", "--no-sync")
        self.start()

    def start(self):
        """Also after kill(), on the same port with the same data."""
        self.process = subprocess.Popen(
            [self.bin / "postgres", "-D", self.data, "-p", str(self.port), "-k", "",
             "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200", "-c", f"fsync={self.fsync}"],
            user=self.user, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._answers, "PostgreSQL answering", 30, pause=0.1)

    def _run(self, program, *args):
        done = subprocess.run([self.bin / program, *map(str, args)], user=self.user, cwd="/",
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _answers(self):
        return subprocess.run([self.bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p",
                               str(self.port)]).returncode == 0

    def new_database(self):
        self.count += 1
        name = f"leat{self.count}"
        self._run("createdb", "-h", "127.0.0.1", "-p", self.port, "-U", "leat", name)
        return f"postgresql://leat@127.0.0.1:{self.port}/{name}"

    def kill(self):
        """All of its processes at once, as when the machine is lost."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)

    def query(self, url, sql):
        """One value, as text."""
        return self._run("psql", "-X", "-A", "-t", "-q", "-d", url, "-c", sql).strip()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        shutil.rmtree(self.folder)
