# SPDX-License-Identifier: Apache-2.0
"""Masks for what no two runs share: ids and times by order of appearance.

`<1>`, `<2>` ... are UUIDs, `<h1>` ... are 32-digit hex ids (interrupts),
`<ts>` is any time. The rest stays exact, so a masked sequence can be compared
whole, and equal ids stay equal.
"""

import re

_uuid = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_hex = re.compile(r"(?<![0-9a-f-])[0-9a-f]{32}(?![0-9a-f-])")
_time = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class Mask:
    """Remembers which id got which name; `names` fixes some beforehand."""

    def __init__(self, **names):
        self.seen = {value: f"<{name}>" for name, value in names.items()}
        self.uuids = 0
        self.hexes = 0

    def _uuid(self, match):
        if match[0] not in self.seen:
            self.uuids += 1
            self.seen[match[0]] = f"<{self.uuids}>"
        return self.seen[match[0]]

    def _hex(self, match):
        if match[0] not in self.seen:
            self.hexes += 1
            self.seen[match[0]] = f"<h{self.hexes}>"
        return self.seen[match[0]]

    def text(self, text):
        return _hex.sub(self._hex, _uuid.sub(self._uuid, _time.sub("<ts>", text)))

    def __call__(self, value):
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(k): self(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [self(v) for v in value]
        return value


def mask(value, **names):
    return Mask(**names)(value)


def drop(value, *keys):
    """The value without these keys, at any depth."""
    if isinstance(value, dict):
        return {k: drop(v, *keys) for k, v in value.items() if k not in keys}
    if isinstance(value, list):
        return [drop(v, *keys) for v in value]
    return value


def pairs(events):
    """Events as [name, data] without their ids."""
    return [[e[0], e[1]] for e in events]
