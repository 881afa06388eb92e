# SPDX-License-Identifier: Apache-2.0
"""Runs and their readers, made while processes die; then the proof that
nothing was lost, doubled, reordered or stuck."""

import time
import uuid

from support.api import DONE
from support.proc import PATIENCE
from support.wait import until

from .readers import ALL_MODES, Poster, Reader, block_of, check_growing

SETTLE_SECONDS = 25 * PATIENCE
FEW_MODES = ("custom", "messages-tuple")


def insist(apis, method, path, body=None, headers=None, seconds=SETTLE_SECONDS):
    """Asks one gateway after the other until one answers; for what may be
    repeated. A refusal (4xx) is an answer."""
    turn = [0]

    def ask():
        turn[0] += 1
        try:
            got = apis[turn[0] % len(apis)].request(method, path, body, headers, 15)
        except OSError:
            return None
        return got if got.status < 500 else None

    return until(ask, f"{method} {path} being answered", seconds, pause=0.05)


class Load:
    """What goes on in one round."""

    def __init__(self, world, rng, length=5, beats=4, ms=8):
        self.world, self.rng = world, rng
        self.input = {"length": length, "beats": beats, "ms": ms,
                      "messages": [{"role": "human", "content": "go", "id": "m1"}]}
        self.runs = []       # of threads, in order of creation
        self.readers = []
        self.posters = []
        self.turn = rng.randrange(2)
        self.lost = world.lost()

    # -- making runs ------------------------------------------------------------------

    def thread(self):
        thread = str(uuid.uuid4())  # ours, so that asking twice makes one
        got = insist(self.world.apis, "POST", "/threads",
                     {"thread_id": thread, "if_exists": "do_nothing"})
        assert got.status == 200, got
        return thread

    def _body(self, modes, start=0, **more):
        """A run that walks on from where the one before it on its thread ends."""
        given = {**self.input, "length": start + self.input["length"]}
        return {"assistant_id": "walk", "input": given, "stream_mode": list(modes), **more}

    def background(self, thread, modes=ALL_MODES, **more):
        """A run that is created once, however often its creation was asked for."""
        key = {"Idempotency-Key": str(uuid.uuid4())}
        got = insist(self.world.apis, "POST", f"/threads/{thread}/runs",
                     self._body(modes, **more), key)
        assert got.status == 200, got
        run = {"thread_id": thread, "run_id": got.json()["run_id"],
               "start": more.get("start", 0)}
        self.runs.append(run)
        return run

    def read(self, run, modes=ALL_MODES, cursor="-1", hops=0):
        self.readers.append(Reader(self.urls(), run, modes, cursor, hops))
        return self.readers[-1]

    def urls(self):
        """The gateways, another one first each time."""
        self.turn += 1
        urls = self.world.urls
        return urls[self.turn % len(urls):] + urls[:self.turn % len(urls)]

    def post(self, thread, modes=FEW_MODES):
        path = f"/threads/{thread}/runs/stream" if thread else "/runs/stream"
        poster = Poster(self.urls(), path, self._body(modes), str(uuid.uuid4()))
        self.posters.append(poster)
        return poster

    def begin(self):
        """Three runs on threads (two of them on one), one without, seven readers."""
        thread = self.thread()
        first = self.background(thread, durability="sync")
        self.read(first)
        self.read(first, FEW_MODES, hops=self.rng.randint(3, 9))
        second = self.background(thread, ALL_MODES, start=self.input["length"])
        self.read(second, ("custom",))
        self.post(self.thread())
        self.post(None)
        return first

    def join_late(self):
        """More readers, while it goes on or when it is over."""
        for run in self.runs:
            seen = [r for r in self.readers if r.run_ids == run and r.blocks]
            self.read(run, self.rng.choice([ALL_MODES, FEW_MODES]))
            if seen:
                block = self.rng.choice(seen[0].blocks)
                self.read(run, seen[0].modes, cursor=block.id)

    # -- the proof -----------------------------------------------------------------------

    def finish(self):
        """Waits for all runs and readers: none may be stuck."""
        until(lambda: all(p.known.is_set() or not p.is_alive() for p in self.posters),
              "every streamed run being known", SETTLE_SECONDS)
        for poster in self.posters:
            assert poster.known.is_set(), f"{poster.describe()}: {poster.failure}"
            if poster.run_ids["thread_id"]:
                self.runs.append(dict(poster.run_ids))
        for run in self.runs:
            self._settled(run)
        for reader in self.readers + self.posters:
            reader.deadline = min(reader.deadline, time.monotonic() + SETTLE_SECONDS)
        for reader in self.readers + self.posters:
            reader.join(SETTLE_SECONDS)
            assert reader.done, f"{reader.describe()} is stuck: {reader.failure}, " \
                f"{len(reader.blocks)} events, {reader.cuts} cuts, last {reader.last}"

    def _settled(self, run):
        path = f"/threads/{run['thread_id']}/runs/{run['run_id']}"
        last = {}

        def over():
            last["got"] = got = insist(self.world.apis, "GET", path)
            return got.status == 200 and got.json()["status"] in DONE and got.json()

        try:
            run["ended"] = until(over, "", SETTLE_SECONDS, pause=0.03)
        except AssertionError:
            raise AssertionError(f"{path} is stuck: {last}") from None

    def check(self, torn=False, again=True):
        """`torn`: worker and broker died together, so events may be lost, and
        a gap is told. `again`: a run may have needed another attempt; after a
        broker's death one that no worker had got yet, and then a gap may be
        told though nothing is missing."""
        for run in self.runs:
            check_run(self.world, run, self.input, torn, again)
        for reader in self.readers + [p for p in self.posters if p.run_ids["thread_id"]]:
            check_reader(self.world, reader, torn)
        for poster in self.posters:
            if not poster.run_ids["thread_id"]:
                check_growing(poster.blocks, poster.describe())
                if not torn:
                    check_walk(poster.blocks, self.input, poster.describe(),
                               apart=bool(self.world.server))
        check_order(self.runs)
        if not torn:
            assert self.world.lost() <= self.lost, "leat_events_lost_total"

    def events(self):
        return sum(len(r.blocks) for r in self.readers + self.posters)

    def attempts_after(self, moment):
        """When attempts began that readers saw begin after the moment."""
        found = {}
        for reader in self.readers + self.posters:
            for b in reader.blocks:
                if b.name == "metadata" and b.at > moment and b.data["attempt"] > 1:
                    at = (b.data["run_id"], b.data["attempt"])
                    found[at] = min(b.at, found.get(at, b.at))
        return [at - moment for at in found.values()]

    def next_after(self, moment):
        """When the first event was seen after the moment, by each reader."""
        later = ([b.at for b in r.blocks if b.at > moment] for r in self.readers + self.posters)
        return [min(found) - moment for found in later if found]


def replay(world, reader, cursor):
    """What the run shows now, from a cursor, with the reader's modes."""
    query = "&".join(f"stream_mode={m}" for m in reader.modes)
    got = insist(world.apis, "GET", f"{reader.where()}?{query}", None, {"Last-Event-ID": cursor})
    assert got.status == 200, got
    *texts, rest = got.body.split(b"\n\n")
    assert rest.strip() in (b"",) or rest.startswith(b":"), rest
    return [b for b in (block_of(text, 0) for text in texts) if b]


class Whole:
    """Stands for a reader from the start with all modes."""

    def __init__(self, run):
        self.run_ids, self.modes = run, ALL_MODES

    def where(self):
        return f"/threads/{self.run_ids['thread_id']}/runs/{self.run_ids['run_id']}/stream"


def check_run(world, run, given, torn, again):
    name = f"run {run['run_id']}"
    assert run["ended"]["status"] == "success", f"{name}: {run['ended']}"
    blocks = replay(world, Whole(run), "-1")
    check_growing(blocks, name)
    check_walk(blocks, given, name, run.get("start", 0), bool(world.server))
    began = [b.data["attempt"] for b in blocks if b.name == "metadata"]
    gaps = [b.data for b in blocks if b.name == "gap"]
    if not again:
        assert began == [1], f"{name}: attempts {began}"
    if not torn:
        assert len(gaps) < max(began), f"{name}: gaps {gaps}"
    check_log(world, run, torn)
    thread = insist(world.apis, "GET", f"/threads/{run['thread_id']}").json()
    assert thread["status"] == "idle", f"{name}: its thread is {thread['status']}"
    steps = thread["values"]["steps"]
    assert steps == list(range(len(steps))) and len(steps) > run.get("start", 0), f"{name}: {steps}"


def check_walk(blocks, given, name, start=0, apart=False):
    """Every beat of every step, in order; an attempt goes on from a step that
    the one before had begun; nothing is left out. `apart`: workers write the
    database themselves, so that one that is cut off may get further in the
    state than in the log, until it is fenced."""
    apart = apart and any(b.name == "metadata" and b.data["attempt"] > 1 for b in blocks)
    at, beat = start - 1, None  # the last beat seen; None: an attempt begins
    for b in blocks:
        if b.name == "metadata":
            beat = None
        elif b.name == "custom":
            new = (b.data["step"], b.data["beat"])
            if beat is None:
                fits = new[1] == 0 and (new[0] <= at + 1 or apart)
            else:
                fits = new in ((at, beat + 1), (at + 1, 0))
                fits = fits and (new[1] > 0 or beat + 1 == given["beats"])
            assert fits, f"{name}: beat {new} after {(at, beat)}: {shown(blocks)}"
            at, beat = new
    assert at + 1 == start + given["length"] or apart and beat is None, f"{name}: ended at step {at}: {shown(blocks)}"


def shown(blocks):
    return [(b.id, b.name, b.data if b.name in ("custom", "metadata", "gap", "error") else "")
            for b in blocks]


def check_log(world, run, torn):
    """The store's log is dense from 1 to the end that the run's row says."""
    key = world.literal(run["run_id"])

    def stored():
        segments = [[int(v) for v in row] for row in world.rows(
            f"SELECT first_seq, last_seq, ended FROM events WHERE run_id = {key} "
            "ORDER BY first_seq")]
        return segments if segments and segments[-1][2] else None

    segments = until(stored, f"the log of {run['run_id']} being closed", 10 * PATIENCE, pause=0.03)
    want = 1
    for first, last, ended in segments:
        lost = torn and ended and first == last  # only its end was written anew
        assert first == want or lost, f"run {run['run_id']}: segments {segments}"
        want = last + 1
    last_seq = int(world.rows(f"SELECT last_seq FROM runs WHERE run_id = {key}")[0][0])
    assert want - 1 == last_seq, f"run {run['run_id']}: {segments}, the row says {last_seq}"


def check_reader(world, reader, torn):
    """Byte for byte what is shown to anyone who asks later."""
    who = reader.describe()
    assert reader.failure is None, f"{who}: {reader.failure}"
    check_growing(reader.blocks, who)
    want = [b.raw for b in replay(world, reader, reader.cursor)]
    got = [b.raw for b in reader.blocks]
    if got == want:
        return
    if torn:
        check_torn(world, reader)
        return
    at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
    raise AssertionError(f"{who}: {len(got)} events, a replay has {len(want)}; event {at}: "
                         f"{got[at:at + 2]} instead of {want[at:at + 2]}")


def check_torn(world, reader):
    """Worker and broker died: what was shown last is stored nowhere, and a gap
    says so to everybody; after it all see the same."""
    who = reader.describe()
    want = replay(world, reader, reader.cursor)
    gaps = [b.raw for b in want if b.name == "gap"]
    assert gaps, f"{who}: {shown(reader.blocks)} without a gap instead of {shown(want)}"
    got = [b.raw for b in reader.blocks]
    want = [b.raw for b in want]
    if gaps[-1] not in got:  # of an end that this one was shown, as others were not
        assert gaps[-1] == want[-1], f"{who}: {shown(reader.blocks)} without {gaps[-1]}"
        assert [raw for raw in got if raw in want] == want[:-1], f"{who}: stored and not shown"
        return
    at, there = got.index(gaps[-1]), want.index(gaps[-1])
    assert got[at:] == want[there:], f"{who}: differs after the gap"
    kept = [raw for raw in want[:there] if raw not in gaps]
    assert [raw for raw in got[:at] if raw in kept] == kept, f"{who}: stored and not shown"


def check_order(runs):
    """Of one thread, ids grow from run to run in the order they were made."""
    by_thread = {}
    for run in runs:
        by_thread.setdefault(run["thread_id"], []).append(run)
    for some in by_thread.values():
        ended = [r["ended"]["created_at"] for r in some]
        assert ended == sorted(ended)
