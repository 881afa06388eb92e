# SPDX-License-Identifier: Apache-2.0
"""LangGraph's BaseStore on Leat's items. Values are JSON: what the API shows of
an item is what a node gets back."""

import datetime

from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    PutOp,
    SearchItem,
    SearchOp,
)

from . import plain
from .saver import current

SECOND = 1_000_000  # in microseconds


def moment(us):
    return datetime.datetime.fromtimestamp(us / 1e6, datetime.timezone.utc)


def owner():
    """Whose items they are: those of the run's owner."""
    bound = current.get()
    return {"owner": bound.owner} if bound is not None and bound.owner else {}


def refresh(op):
    return {} if op.refresh_ttl is None else {"refresh": op.refresh_ttl}


class Items(BaseStore):
    def __init__(self, vault):
        super().__init__()
        self._vault = vault

    async def _call(self, op, args):
        return plain.unpack(await self._vault.call(0, op, plain.pack(args))) or {}

    async def _get(self, op):
        item = (await self._call("items_get", {
            **owner(), "space": list(op.namespace), "key": str(op.key), **refresh(op)})).get("item")
        return self._item(Item, item) if item else None

    @staticmethod
    def _item(kind, row, **more):
        return kind(namespace=tuple(row["space"]), key=row["key"], value=row["value"],
                    created_at=moment(row["created_us"]), updated_at=moment(row["updated_us"]),
                    **more)

    async def _put(self, op):
        at = {**owner(), "space": list(op.namespace), "key": str(op.key)}
        if op.value is None:
            await self._call("items_delete", at)
            return
        ttl = getattr(op, "ttl", None)
        more = {"ttl_us": int(ttl * 60 * SECOND)} if ttl is not None else {}
        await self._call("items_put", {**at, "value": op.value, **more})

    async def _search(self, op):
        more = {"filter": op.filter} if op.filter else {}
        found = await self._call("items_search", {
            **owner(), "prefix": list(op.namespace_prefix), "limit": op.limit,
            "offset": op.offset, **more, **refresh(op)})
        return [self._item(SearchItem, row, score=None) for row in found["items"]]

    async def _spaces(self, op):
        more = {c.match_type: list(c.path) for c in op.match_conditions or ()}
        if op.max_depth is not None:
            more["max_depth"] = op.max_depth
        found = await self._call("items_spaces", {
            **owner(), "limit": op.limit, "offset": op.offset, **more})
        return [tuple(space) for space in found["spaces"]]

    async def abatch(self, ops):
        ways = {GetOp: self._get, PutOp: self._put, SearchOp: self._search,
                ListNamespacesOp: self._spaces}
        return [await ways[type(op)](op) for op in ops]

    def batch(self, ops):
        return self._vault.wait(self.abatch(list(ops)))
