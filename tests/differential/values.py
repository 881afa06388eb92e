# SPDX-License-Identifier: Apache-2.0
"""Random values of state keys: what nodes write, and what inputs bring."""


class Values:
    """Draws from `rng`; `keys` are the state's, with their reducers."""

    def __init__(self, rng, features, keys):
        self.rng = rng
        self.features = features
        self.keys = keys
        self.ids = 0

    def has(self, feature, probability=1.0):
        return feature in self.features and self.rng.random() < probability

    def chance(self, probability):
        return self.rng.random() < probability

    def pick(self, items):
        return self.rng.choice(list(items))

    def some(self, items, least=1, most=3):
        items = list(items)
        n = min(len(items), self.rng.randint(least, most))
        return self.rng.sample(items, n)

    # --- values ---------------------------------------------------------------
    def scalar(self):
        return self.pick([0, 1, 7, -3, "", "s", "ä", True, False, None, 1.5])

    def value(self):
        if self.chance(0.8):
            return self.scalar()
        return self.pick([[], [1, "b"], {"k": 1}, {"k": {"l": [None]}}, {}])

    def message(self, who):
        """Of one id only one message is told: no two nodes may use the same."""
        self.ids += 1
        message = {"type": self.pick(["human", "ai", "system"]), "content": f"m{self.ids}"}
        if self.chance(0.8):
            message["id"] = self.pick([f"{who}-{self.ids}", f"{who}-0", f"{who}-1"])
        if self.chance(0.1):
            return {"type": "remove", "content": "", "id": self.pick(["h1", f"{who}-0"])}
        return message

    def like(self, who):
        """Something that the reducer takes for a message."""
        self.ids += 1
        text, own = f"m{self.ids}", {"id": f"{who}-{self.ids}"}
        call = {"id": "k1", "type": "function"}
        # arguments that are no JSON are kept as such (engine.md 11.2), here an error
        call["function"] = {"name": "add", "arguments": '{"a": 1}'}
        block = {"type": "text", "text": text}
        lc = {"lc": 1, "type": "constructor", "kwargs": {"content": text, **own}}
        lc["id"] = ["langchain", "schema", "messages", "HumanMessage"]
        return self.pick([
            text,
            [self.pick(["human", "user", "ai", "assistant", "system"]), text],
            {"role": self.pick(["user", "assistant", "system"]), "content": text, **own},
            {"role": "developer", "content": text, **own},
            {"type": "human", "content": [block, "more"], **own},
            {"type": "ai", "content": self.pick([None, ""]), "tool_calls": [call], **own},
            {"type": "tool", "content": text, "tool_call_id": "k1", **own},
            {"type": "human", "content": text, "name": "joe", **own},
            lc,
        ])

    def messages(self, who, raw):
        made = [self.message(who) for _ in range(self.rng.randint(1, 2))]
        if self.has("coerce", 0.1):
            made.append({"type": "remove", "content": "", "id": "__remove_all__"})
            made += [self.message(who)] if self.chance(0.5) else []
        if not raw:  # with an id: the library writes one into the object itself
            made = [{"$msg": {"id": f"id{self.ids}-{i}", **m}} for i, m in enumerate(made)]
        elif self.has("coerce", 0.6):
            made.append(self.like(who))
        if self.has("coerce", 0.03):
            made.append({"type": "nobody", "content": "x"})
        if len(made) == 1 and self.chance(0.3):
            return made[0]
        return made

    def write(self, key, who):
        """A value for a key of the state, as a node would return it."""
        reducer = self.keys[key]
        if self.has("overwrite", 0.15):
            # not where the first value stays wrapped: nothing can be added to it
            plain = {"append": [f"o-{who}"], "messages": [], "sum": self.rng.randint(0, 9)}
            if reducer in plain:
                return {"$overwrite": plain[reducer]}
        if reducer == "append":
            if self.chance(0.1):
                return f"{who}!"
            if self.chance(0.15):
                return [who, {"$state": self.pick(self.keys)}]
            return [who]
        if reducer == "sum":
            return self.pick([1, 2, 10, -1, 0.5])
        if reducer == "append_nodefault":
            return [f"{who}.{self.rng.randint(0, 9)}"]
        if reducer.startswith("topic"):
            return self.pick([[who, 1], who, 3, [], ["t"]])
        if reducer == "any":
            return self.pick(["same", "same", "other", None, 0])
        if reducer == "messages":
            return self.messages(who, raw=self.chance(0.7 if "coerce" in self.features else 0.3))
        if self.chance(0.2):
            return {"$state": self.pick(self.keys)}
        if who != "in" and self.chance(0.1):
            return self.made_of(self.pick(["log", "x"]))
        return self.value()

    def made_of(self, key):
        """Something that is reckoned from what is there."""
        now, log = {"$state": key}, {"$state": "log"}
        return self.pick([
            {"$len": log},
            {"$last": log},
            {"$if": [now, "some", "none"]},
            {"$eq": [now, {"$last": log}]},
            {"$map": [log, {"item": {"$item": True}}]},
            {"$mul": [{"$len": log}, 2]},
        ])

    def update(self, who, keys):
        """What a node writes: an object."""
        out = {}
        for key in keys:
            reducer = self.keys[key]
            often = 0.85 if key == "log" else 0.3
            if reducer in ("last", "untracked", "ephemeral"):
                often = 0.5 if "conflict" in self.features else 0.15
            if self.chance(often):
                out[key] = self.write(key, who)
        if self.has("odd", 0.15):
            out["unknown"] = 1
        items = list(out.items())
        self.rng.shuffle(items)
        return dict(items)

    def input(self, keys=None):
        keys = list(keys or self.keys)
        out = {}
        for key in keys:
            if self.chance(0.6):
                value = self.write(key, "in")
                text = repr(value)
                if "$state" in text:
                    value = ["in"] if self.keys[key] == "append" else 1
                out[key] = value
        if self.keys.get("messages") and "messages" in keys and self.chance(0.7):
            out["messages"] = [{"type": "human", "content": "hi", "id": "h1"}]
        return out

    def argument(self, who):
        if self.has("odd", 0.1):
            return {}
        out = {"log": [f"arg-{who}-{self.rng.randint(0, 99)}"]}
        if self.chance(0.5):
            out["x"] = {"$state": self.pick(["x", "y", "log"])}
        return out
