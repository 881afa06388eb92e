# SPDX-License-Identifier: Apache-2.0
"""A Leat worker for Python LangGraph projects.

Two processes: the wire (`__main__`, `desk`, `outbox`, `vault`, `link`) talks to
the broker and imports nothing of LangGraph; the graphs (`serve` and what it
imports) run in one asyncio loop and talk to the wire alone (`pipe`).
"""

__version__ = "0.1.0"
