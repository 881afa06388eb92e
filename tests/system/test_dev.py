# SPDX-License-Identifier: Apache-2.0
"""leat dev as a supervisor: starting, restarting and stopping its children.

The children are stand-ins (a script beside a copy of build/leat), so that how
they start and end is the test's choice; the real ones are started by every
other test of this folder.
"""

import json
import os
import pathlib
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("LEAT_BUILD", "build")

STAND_IN = f"#!{sys.executable}\n" + r'''
import http.server, json, os, pathlib, signal, sys, threading
kind = pathlib.Path(sys.argv[0]).name.removeprefix("leat-")
log = pathlib.Path(os.environ["STAND_IN_LOG"])
def say(what, **more):
    with open(log, "a") as out:
        out.write(json.dumps({"kind": kind, "pid": os.getpid(), "what": what, **more}) + "\n")
def value(name):
    return next((a.split("=", 1)[1] for a in sys.argv if a.startswith(f"--{name}=")), None)
say("start", args=sys.argv[1:], env={k: v for k, v in os.environ.items() if k.startswith("LEAT_")},
    parent=os.getppid(), group=os.getpgrp())
if os.environ.get("STAND_IN_FAILS") == kind:
    print("no luck today", file=sys.stderr)
    sys.exit(7)
def stop(*_):
    if os.environ.get("STAND_IN_STUBBORN") == kind:
        return
    say("stop")
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
if kind == "gateway":
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/ok" else 404)
            self.end_headers()
        def log_message(self, *_):
            pass
    server = http.server.HTTPServer((value("host"), int(value("port"))), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
say("ready")
print("ready", value("listen") or value("port") or "worker", flush=True)
while True:
    signal.pause()
'''


class Dev:
    """One leat dev with stand-ins for its children."""

    def __init__(self, folder, *args, env=None):
        self.folder = folder
        self.log = folder / "log"
        self.log.touch()
        bin_dir = folder / "bin"
        (bin_dir / "graphs").mkdir(parents=True)
        shutil.copy(BUILD / "leat", bin_dir / "leat")
        for kind in ("broker", "gateway", "worker"):
            path = bin_dir / f"leat-{kind}"
            path.write_text(STAND_IN)
            path.chmod(path.stat().st_mode | stat.S_IXUSR)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("LEAT_")}
        clean |= {"STAND_IN_LOG": str(self.log)} | (env or {})
        self.err = open(folder / "err", "w+")
        self.process = subprocess.Popen(
            [bin_dir / "leat", "dev", *args], cwd=folder, env=clean,
            stdout=subprocess.PIPE, stderr=self.err, bufsize=0)
        self.lines = []
        self.rest = b""

    def wait_line(self, start, seconds=15):
        """The next line of standard output that begins so."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            while b"\n" in self.rest:
                line, self.rest = self.rest.split(b"\n", 1)
                self.lines.append(line.decode())
                if self.lines[-1].startswith(start):
                    return self.lines[-1]
            if select.select([self.process.stdout], [], [], 0.2)[0]:
                more = self.process.stdout.read(4096)
                if not more:
                    break
                self.rest += more
        raise AssertionError(f"no line {start!r}; saw {self.lines}; stderr:\n{self.stderr()}")

    def stderr(self):
        return (self.folder / "err").read_text()

    def said(self, what, kind=None):
        rows = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [r for r in rows if r["what"] == what and kind in (None, r["kind"])]

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.process.wait(20)


@pytest.fixture
def dev(tmp_path):
    started = []

    def start(*args, wait=True, **more):
        d = Dev(tmp_path / str(len(started)), *args, **more)
        started.append(d)
        if wait:
            d.wait_line("ready ")
        return d

    (tmp_path / "0").mkdir()
    (tmp_path / "1").mkdir()
    yield start
    for d in started:
        if d.process.poll() is None:
            d.process.kill()
        d.process.wait()
        d.process.stdout.close()
        d.err.close()


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return state not in "ZX"


def gone(pid, seconds=10):
    fd = os.pidfd_open(pid) if alive(pid) else None
    return fd is None or bool(select.select([fd], [], [], seconds)[0])


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def option(row, name):
    return next((a.split("=", 1)[1] for a in row["args"] if a.startswith(f"--{name}=")), None)


@pytest.mark.smoke
def test_starts_all_and_says_where(dev):
    port = free_port()
    d = dev("--port", str(port), "--workers", "3", "--pids")
    assert d.lines[-1] == f"ready http://127.0.0.1:{port}"
    kinds = [line.split()[1] for line in d.lines if line.startswith("pid ")]
    assert sorted(kinds) == ["broker", "gateway", "worker", "worker", "worker"]
    pids = {int(line.split()[2]) for line in d.lines if line.startswith("pid ")}
    assert pids == {r["pid"] for r in d.said("ready")}
    assert (d.folder / "leat-data").is_dir()
    assert d.stop() == 0


def test_port_0_takes_a_free_one(dev):
    d = dev("--port", "0", "--workers", "1")
    port = int(d.lines[-1].rsplit(":", 1)[1])
    socket.create_connection(("127.0.0.1", port)).close()


def test_children_find_each_other(dev):
    d = dev("--port", "0")
    broker, gateway = d.said("start", "broker")[0], d.said("start", "gateway")[0]
    address = option(broker, "listen")
    assert address.startswith("tcp://127.0.0.1:")
    assert option(gateway, "broker") == address
    for worker in d.said("start", "worker"):
        assert option(worker, "broker") == address
        assert option(worker, "graphs") == str(d.folder / "bin" / "graphs")


def test_gateway_is_opened_for_development(dev):
    d = dev("--port", "0", "--workers", "0")
    gateway = d.said("start", "gateway")[0]
    assert option(gateway, "allow-truncate") == "true"
    assert option(gateway, "webhook-loopback") == "true"
    assert option(gateway, "configurable-headers") == "x-*"


def test_what_was_set_stays_set(dev):
    d = dev("--port", "0", "--workers", "0", "--allow-truncate=false", "--configurable-headers=a,b")
    gateway = d.said("start", "gateway")[0]
    assert option(gateway, "allow-truncate") is None
    assert gateway["env"]["LEAT_ALLOW_TRUNCATE"] == "false"
    assert gateway["env"]["LEAT_CONFIGURABLE_HEADERS"] == "a,b"


def test_options_reach_those_that_know_them(dev):
    d = dev("--port", "0", "--workers", "1", "--lease", "2s", "--slots=7", "--api-key", "k1",
            "--api-key", "k2", env={"LEAT_BODY_BYTES": "1MiB"})
    broker, gateway, worker = (d.said("start", k)[0] for k in ("broker", "gateway", "worker"))
    assert broker["env"]["LEAT_LEASE"] == "2s"
    assert "LEAT_LEASE" not in worker["env"]
    assert worker["env"]["LEAT_SLOTS"] == "7"
    assert gateway["env"]["LEAT_API_KEYS"] == "k1,k2"
    assert gateway["env"]["LEAT_BODY_BYTES"] == "1MiB"
    assert not any("k1" in a for a in gateway["args"]), "secrets stay off the command line"
    assert "LEAT_API_KEYS" not in broker["env"]


def test_each_admin_address_is_its_own(dev):
    d = dev("--port", "0", "--workers", "2", "--admin-listen", "127.0.0.1:9100")
    got = [option(r, "admin-listen") for r in d.said("start") if r["kind"] != "gateway"]
    assert sorted(got) == ["127.0.0.1:9100", "127.0.0.1:9101", "127.0.0.1:9102"]


def test_option_file(dev, tmp_path):
    path = tmp_path / "leat.conf"
    path.write_text("workers = 1\nlease = 9s\nslots = 3\n")
    d = dev("--port", "0", "--config", str(path))
    assert len(d.said("start", "worker")) == 1
    assert d.said("start", "broker")[0]["env"]["LEAT_LEASE"] == "9s"
    assert "LEAT_CONFIG" not in d.said("start", "worker")[0]["env"]


@pytest.mark.parametrize("kind", ["broker", "gateway", "worker"])
def test_a_killed_child_is_back_at_once(dev, kind):
    d = dev("--port", "0", "--workers", "1", "--pids")
    pid = d.said("ready", kind)[0]["pid"]
    os.kill(pid, signal.SIGKILL)
    died = time.monotonic()
    line = d.wait_line(f"pid {kind} ")
    assert time.monotonic() - died < 2, "the promise is 200 ms; a busy machine gets more"
    assert int(line.split()[2]) != pid
    others = {"broker", "gateway", "worker"} - {kind}
    assert all(len(d.said("start", k)) == 1 for k in others)


def test_a_child_may_be_killed_many_times(dev):
    d = dev("--port", "0", "--workers", "1", "--pids")
    pid = d.said("ready", "worker")[0]["pid"]
    for _ in range(8):
        os.kill(pid, signal.SIGKILL)
        pid = int(d.wait_line("pid worker ").split()[2])
    assert d.process.poll() is None


@pytest.mark.parametrize("kind", ["broker", "gateway", "worker"])
def test_a_child_that_cannot_start_ends_it_all(dev, kind):
    d = dev("--port", "0", "--workers", "1", env={"STAND_IN_FAILS": kind}, wait=False)
    assert d.process.wait(20) == 1
    assert f"the {kind} could not start 3 times in a row" in d.stderr()
    assert "no luck today" in d.stderr()
    assert len(d.said("start", kind)) == 3
    assert all(gone(r["pid"]) for r in d.said("start"))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_stops_in_order(dev, how):
    d = dev("--port", "0")
    assert d.stop(how) == 0
    order = [r["kind"] for r in d.said("stop")]
    assert sorted(order) == ["broker", "gateway", "worker", "worker"]
    assert order[-1] == "broker"


def test_ctrl_c_of_a_terminal_reaches_leat_dev_alone(dev):
    d = dev("--port", "0")
    groups = {r["group"] for r in d.said("start")}
    assert os.getpgid(d.process.pid) not in groups
    assert len(groups) == 4


def test_children_die_with_it(dev):
    d = dev("--port", "0")
    d.process.kill()
    d.process.wait()
    assert all(gone(r["pid"]) for r in d.said("start"))


def test_a_second_signal_does_not_wait(dev):
    d = dev("--port", "0", env={"STAND_IN_STUBBORN": "worker"})
    d.process.terminate()
    until = time.monotonic() + 10
    while not d.said("stop", "gateway") and time.monotonic() < until:
        select.select([], [], [], 0.01)
    assert d.stop() == 130
    assert all(gone(r["pid"]) for r in d.said("start"))


def test_a_stubborn_child_is_killed(dev):
    d = dev("--port", "0", "--workers", "1", env={"STAND_IN_STUBBORN": "worker"})
    assert d.stop() == 0
    assert "child.killed kind=worker" in d.stderr()
    assert all(gone(r["pid"]) for r in d.said("start"))


def test_a_busy_port_is_a_clear_error(dev):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        d = dev("--port", str(port), wait=False)
        assert d.process.wait(10) == 1
    assert f"port {port} of 127.0.0.1 is in use" in d.stderr()
    assert d.said("start") == []


def test_two_at_once_do_not_meet(dev):
    first, second = dev("--port", "0", "--workers", "0"), dev("--port", "0", "--workers", "0")
    a, b = (option(d.said("start", "broker")[0], "listen") for d in (first, second))
    assert a != b


@pytest.mark.parametrize("args, status, text", [
    (["dev", "--nonsense"], 2, "unknown option --nonsense (try leat dev --help)"),
    (["dev", "--broker=tcp://x:1"], 1, "leat dev starts a broker of its own"),
    (["dev", "--graphs", "/nowhere"], 1, "--graphs /nowhere: No such file"),
    (["dev", "--workers", "many"], 2, "is not a whole number"),
    (["nonsense"], 2, 'unknown command "nonsense"'),
    ([], 2, "usage: leat COMMAND"),
])
def test_wrong_use_is_a_clear_error(tmp_path, args, status, text):
    done = subprocess.run([BUILD / "leat", *args], cwd=tmp_path, capture_output=True, text=True,
                          timeout=20)
    assert done.returncode == status
    assert text in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("args, text", [
    (["--help"], "the whole stack on this machine"),
    (["--version"], "leat "),
    (["dev", "--help"], "--event-log-ttl TIME"),
])
def test_help(args, text):
    done = subprocess.run([BUILD / "leat", *args], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0
    assert text in done.stdout
