# SPDX-License-Identifier: Apache-2.0
"""HTTP /metrics and health of the wire, on an address of its own."""

import http.server
import threading

from . import log

COUNTERS = (
    ("leat_worker_runs_total", "counter", lambda d: d.runs_total),
    ("leat_worker_busy_slots", "gauge", lambda d: sum(not j.ended for j in list(d.jobs.values()))),
    ("leat_worker_events_total", "counter", lambda d: d.events),
    ("leat_worker_replaced_total", "counter", lambda d: d.replaced),
)


def text(desk):
    lines = []
    for name, kind, value in COUNTERS:
        lines += [f"# TYPE {name} {kind}", f"{name} {value(desk)}"]
    return "\n".join(lines) + "\n"


def start(address, desk):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, body = 200, "ok\n"
            if self.path == "/metrics":
                body = text(desk)
            elif self.path in ("/ok", "/ready", "/health") and not desk.ready:
                status, body = 503, "not ready\n"
            elif self.path not in ("/ok", "/ready", "/health", "/live"):
                status, body = 404, "not found\n"
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args):
            pass

    host, _, port = address.rpartition(":")
    server = http.server.ThreadingHTTPServer((host, int(port)), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    log.info("admin.listening", address=address)
