# SPDX-License-Identifier: Apache-2.0
"""What is done to whom, and when: one round of chaos."""

import os
import random
import signal
import time
from dataclasses import dataclass, field

from support.proc import PATIENCE
from support.wait import until

from .load import Load
from .world import after


@dataclass(frozen=True)
class Blow:
    """victims: names of slots, or "postgres". way: kill, term, stop, reset,
    silent (the network), or fault with `point`. seconds: how long it lasts
    (kill: until it is started again)."""
    victims: tuple
    way: str
    point: str = ""
    seconds: float = 0.0

    def __str__(self):
        what = f"{self.way} {'+'.join(self.victims)}"
        what += f" {self.point}" if self.point else ""
        return what + (f" for {self.seconds:g} s" if self.seconds else "")

    @property
    def torn(self):
        """Events may be lost, and have to be announced."""
        kinds = {v.rstrip("12") for v in self.victims}
        return self.way == "kill" and {"broker", "worker"} <= kinds


def random_blow(rng, store):
    """One victim or two, any way that fits."""
    slots = ["worker1", "worker2", "gateway1", "gateway2", "broker"]
    way = rng.choices(["kill", "term", "stop", "reset", "silent"], [10, 2, 2, 2, 1])[0]
    if way in ("reset", "silent"):
        victims = (rng.choice(["worker2", "gateway2"]),)
    elif way == "kill" and store == "postgresql" and rng.random() < 0.3:
        return Blow(("postgres",), way, seconds=rng.choice([0.2, 2.0, 8.0]))
    else:
        victims = tuple(rng.sample(slots, rng.choice([1, 1, 1, 2])))
    seconds = {"kill": 0.0, "term": 0.0, "stop": rng.choice([0.3, 2.6, 10.0])}
    return Blow(victims, way, seconds=seconds.get(way, rng.choice([0.1, 1.0, 3.0])))


@dataclass
class Tally:
    kills: int = 0
    runs: int = 0
    events: int = 0
    rounds: int = 0
    recovery: dict = field(default_factory=dict)  # victim -> seconds

    def report(self):
        lines = [f"{self.rounds} rounds, {self.kills} blows, {self.runs} runs, "
                 f"{self.events} events read"]
        for victim, took in sorted(self.recovery.items()):
            some = sorted(took)
            p50, p99 = (some[min(len(some) - 1, int(len(some) * q))] for q in (0.5, 0.99))
            lines.append(f"recovery after the kill of a {victim}: p50 {p50:.3f} s, "
                         f"p99 {p99:.3f} s of {len(some)}")
        return "\n".join(lines)


def strike(world, blow):
    """Does it and undoes it; the moment it was done."""
    slots = [world.slots[v] for v in blow.victims if v != "postgres"]
    moment = time.monotonic()
    if blow.way in ("reset", "silent"):
        for slot in slots:
            world.proxies[slot.name].cut(blow.way)
    else:
        number = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP, "term": signal.SIGTERM}[blow.way]
        if "postgres" in blow.victims:
            world.server.kill()
        for slot in slots:
            os.kill(slot.proc.pid, number)
    undo(world, blow, slots)
    return moment


def undo(world, blow, slots):
    def act():
        for slot in slots:
            if blow.way in ("reset", "silent"):
                world.proxies[slot.name].heal()
            elif blow.way == "stop":
                os.kill(slot.proc.pid, signal.SIGCONT)
            else:
                slot.proc.process.wait(30 * PATIENCE)
                slot.start(ready=False)
        if "postgres" in blow.victims:
            world.server.start()
    after(blow.seconds, act).join()


def round_of(world, blow, seed, tally=None):
    """One blow while runs go on; raises when anything was lost."""
    rng = random.Random(seed)
    load = Load(world, rng)
    load.begin()
    moments = []
    after(rng.uniform(0.0, 0.5), lambda: moments.append(strike(world, blow))).join()
    load.join_late()
    load.finish()
    world.settle()
    kinds = {v.rstrip("12") for v in blow.victims}
    load.check(torn=blow.torn, again=kinds not in ({"gateway"}, {"postgres"}))
    note(tally, blow, load, moments[0])
    return load


def note(tally, blow, load, moment):
    if tally is None:
        return
    tally.rounds += 1
    tally.kills += len(blow.victims)
    tally.runs += len(load.runs) + len(load.posters)
    tally.events += load.events()
    if blow.way == "kill" and len(blow.victims) == 1:
        victim = blow.victims[0].rstrip("12")
        took = load.attempts_after(moment) if victim == "worker" else load.next_after(moment)[:1]
        if took:
            tally.recovery.setdefault(victim, []).extend(took)


def break_at(world, name, point, n, seed, tally=None):
    """The victim is started with a fault point set; when it has broken there
    it is started again (or continued) without."""
    rng = random.Random(seed)
    slot = world.slots[name]
    slot.proc.stop()
    slot.start(fault=f"{point}:{n}")
    nurse = after(0, lambda: recover_when_hit(slot, point))
    world.settle(nursed=slot)
    load = Load(world, rng)
    load.begin()
    load.join_late()
    nurse.join()
    load.finish()
    world.settle()
    load.check(again=slot.kind != "gateway")
    note(tally, Blow((name,), "fault", point), load, 0)
    return load


def recover_when_hit(slot, point):
    """Dead: started again. Stopped: continued more than a lease later. Failed:
    nothing to do."""
    broken = slot.proc
    hit = f"fault.hit point={point}"
    until(lambda: hit in broken.log(), f"{point} being hit", 20 * PATIENCE)
    effect = until(lambda: state_of(broken), "what it did", 5)
    if effect == "stopped":
        after(2.5, lambda: broken.signal(signal.SIGCONT)).join()
    elif effect == "dead":
        slot.start(ready=False)


def state_of(proc):
    if not proc.alive():
        return "dead"
    with open(f"/proc/{proc.pid}/stat", encoding="ascii") as f:
        letter = f.read().rsplit(")", 1)[1].split()[0]
    if letter == "T":
        return "stopped"
    return "alive" if proc.log().count("full") else None
