# SPDX-License-Identifier: Apache-2.0
"""Python values as bytes, two ways.

*Shown*: what the API says of a value, for events: messages and models by their
fields, dates as ISO text, sets as lists.

*Typed*: what is kept in the store, for checkpoints: the shown form with what is
needed to make the object again (docs/protocol.md, section 2). Messages are maps
with tag 1 or 4; whatever else JSON has no word for is a typed value whose bin is
made by LangGraph's own serializer, or, only when it is switched on, by pickle.
"""

import collections
import dataclasses
import datetime
import decimal
import enum
import ipaddress
import math
import pathlib
import pickle
import re
import uuid
import zoneinfo

import ormsgpack
from langchain_core import messages as lc
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Command, Overwrite, Send

MESSAGE, SEND, COMMAND, CHUNK, TYPED = 1, 2, 3, 4, 5
BY_SERDE, BY_PICKLE, BY_DIGITS = b"m", b"p", b"d"
COMMON = ormsgpack.OPT_REPLACE_SURROGATES | ormsgpack.OPT_PASSTHROUGH_BIG_INT
SHOWN = COMMON | ormsgpack.OPT_SERIALIZE_NUMPY | ormsgpack.OPT_PASSTHROUGH_DATACLASS
KEPT = (COMMON | ormsgpack.OPT_PASSTHROUGH_DATACLASS | ormsgpack.OPT_PASSTHROUGH_DATETIME |
        ormsgpack.OPT_PASSTHROUGH_ENUM | ormsgpack.OPT_PASSTHROUGH_UUID)
AS_TEXT = (pathlib.PurePath, zoneinfo.ZoneInfo, datetime.timezone, uuid.UUID,
           ipaddress.IPv4Address, ipaddress.IPv4Interface, ipaddress.IPv4Network,
           ipaddress.IPv6Address, ipaddress.IPv6Interface, ipaddress.IPv6Network)
LISTS = (set, frozenset, collections.deque, collections.abc.KeysView,
         collections.abc.ValuesView)

WHOLE = {"human": lc.HumanMessage, "ai": lc.AIMessage, "system": lc.SystemMessage,
         "tool": lc.ToolMessage, "function": lc.FunctionMessage, "chat": lc.ChatMessage,
         "remove": lc.RemoveMessage}
CHUNKS = {"HumanMessageChunk": lc.HumanMessageChunk, "AIMessageChunk": lc.AIMessageChunk,
          "SystemMessageChunk": lc.SystemMessageChunk, "ToolMessageChunk": lc.ToolMessageChunk,
          "FunctionMessageChunk": lc.FunctionMessageChunk,
          "ChatMessageChunk": lc.ChatMessageChunk}
TAGS = {kind: MESSAGE for kind in WHOLE.values()} | {kind: CHUNK for kind in CHUNKS.values()}


# --- shown --------------------------------------------------------------------
def fields_of(message):
    """A message of one of TAGS' types, as its model_dump() has it."""
    extra = message.__pydantic_extra__
    return {**message.__dict__, **extra} if extra else message.__dict__


def show(obj):
    """What stands for an object that is no plain value."""
    if type(obj) in TAGS:
        return fields_of(obj)
    if isinstance(obj, type):
        return repr(obj)
    if isinstance(obj, Overwrite):
        return {"__overwrite__": obj.value}
    if hasattr(type(obj), "__dataclass_fields__"):
        return {f.name: getattr(obj, f.name) for f in dataclasses.fields(obj)
                if hasattr(obj, f.name)}
    for method in ("model_dump", "dict", "_asdict"):
        if callable(getattr(obj, method, None)):
            return getattr(obj, method)()
    if isinstance(obj, BaseException):
        return {"error": type(obj).__name__, "message": str(obj)}
    if isinstance(obj, int):
        return float(obj) if abs(obj) < 2**1023 else math.copysign(math.inf, obj)
    if isinstance(obj, LISTS):
        return list(obj)
    if isinstance(obj, Send):
        return {"node": obj.node, "arg": obj.arg}
    if isinstance(obj, datetime.timedelta):
        return obj.total_seconds()
    if isinstance(obj, decimal.Decimal):
        return str(obj)
    if isinstance(obj, re.Pattern):
        return obj.pattern
    if isinstance(obj, AS_TEXT):
        return str(obj)
    if callable(getattr(obj, "tolist", None)):
        return obj.tolist()
    return repr(obj)


def key_text(key):
    if isinstance(key, enum.Enum):
        key = key.value
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, (datetime.date, datetime.time)):
        return key.isoformat()
    return str(key)


def with_text_keys(obj):
    """A copy in which every key is text."""
    if isinstance(obj, dict):
        return {key_text(k): with_text_keys(v) for k, v in obj.items()}
    if isinstance(obj, (list, tuple)) and not hasattr(obj, "_asdict"):
        return [with_text_keys(v) for v in obj]
    if obj is None or isinstance(obj, (str, float, bool, bytes, datetime.date, enum.Enum)):
        return obj
    if isinstance(obj, int):
        return obj if -2**63 <= obj < 2**64 else show(obj)
    return with_text_keys(show(obj))


def pack(obj):
    """Bytes of the shown form."""
    try:
        return ormsgpack.packb(obj, default=show, option=SHOWN)
    except TypeError:
        return ormsgpack.packb(with_text_keys(obj), default=show, option=SHOWN)


# --- typed --------------------------------------------------------------------
class Codec:
    """Values of checkpoints to bytes and back."""

    def __init__(self, use_pickle=False):
        self.serde = JsonPlusSerializer()
        self._pickle = use_pickle

    def dump(self, obj):
        try:
            return ormsgpack.packb(obj, default=self._default, option=KEPT)
        except TypeError:  # keys that are no text, for one
            return ormsgpack.packb(self._apart(obj), default=self._default, option=KEPT)

    def _apart(self, obj):
        """A copy in which a map whose keys are no text stands as typed value."""
        if isinstance(obj, dict):
            if not all(isinstance(k, str) for k in obj):
                return self._typed(obj)
            return {k: self._apart(v) for k, v in obj.items()}
        return [self._apart(v) for v in obj] if isinstance(obj, (list, tuple)) else obj

    def load(self, data):
        return ormsgpack.unpackb(data, ext_hook=self._hook)

    def _default(self, obj):
        if isinstance(obj, BaseException):
            return repr(obj)
        tag = TAGS.get(type(obj))
        if tag is not None:
            return self._tagged(tag, fields_of(obj))
        if type(obj) is Send and getattr(obj, "timeout", None) is None:
            return self._tagged(SEND, {"node": obj.node, "arg": obj.arg})
        return self._typed(obj)

    def _tagged(self, tag, fields):
        return ormsgpack.Ext(tag, ormsgpack.packb(fields, default=self._default, option=KEPT))

    def _typed(self, obj):
        return ormsgpack.Ext(TYPED, ormsgpack.packb(self._recipe(obj)) + pack(obj))

    def _recipe(self, obj):
        if type(obj) is int:
            return BY_DIGITS + b"%d" % obj
        try:
            kind, data = self.serde.dumps_typed(obj)
            if kind == "msgpack":
                return BY_SERDE + data
        except TypeError:
            if not self._pickle:
                raise
        return BY_PICKLE + pickle.dumps(obj)

    def _hook(self, tag, data):
        if tag == TYPED:
            return self._revive(data)
        fields = self.load(data)
        if tag == SEND:
            return Send(fields["node"], fields["arg"])
        if tag == COMMAND:
            return Command(**fields)
        kind = (CHUNKS if tag == CHUNK else WHOLE).get(fields.get("type"))
        return message(kind, fields) if kind else fields

    def _revive(self, data):
        width = {0xC4: 1, 0xC5: 2, 0xC6: 4}[data[0]]
        end = 1 + width + int.from_bytes(data[1:1 + width], "big")
        how, recipe = data[1 + width:2 + width], data[2 + width:end]
        if how == BY_SERDE:
            return self.serde.loads_typed(("msgpack", recipe))
        if how == BY_DIGITS:
            return int(recipe)
        if how == BY_PICKLE and self._pickle:
            return pickle.loads(recipe)
        return self.load(data[end:])  # what it shows is all that may be had


def message(kind, fields):
    try:
        return kind(**fields)
    except Exception:  # it was made without checks: so it is now
        return kind.model_construct(**fields)


def shown_hook(tag, data):
    """For reading bytes of the store as plain values."""
    if tag == TYPED:
        width = {0xC4: 1, 0xC5: 2, 0xC6: 4}[data[0]]
        data = data[1 + width + int.from_bytes(data[1:1 + width], "big"):]
    return ormsgpack.unpackb(data, ext_hook=shown_hook)


def unpack(data):
    return ormsgpack.unpackb(data, ext_hook=shown_hook)
