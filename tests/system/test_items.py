# SPDX-License-Identifier: Apache-2.0
"""The store of items over HTTP, by both SDKs and by hand."""

import json

import pytest
from langgraph_sdk import get_client, get_sync_client

from support.api import new_id
from support.mask import mask
from support.proc import ROOT
from support.wait import until

STACK_OPTIONS = ("--item-sweep=50ms", "--name-bytes=64")
RECORDED = ROOT.parent / "shared/recorded/js-server"


@pytest.fixture
def space():
    """A namespace of the test's own."""
    return ["t" + new_id().replace("-", "z")]


def whole(item):
    assert item["created_at"] <= item["updated_at"]
    return mask(item)


def shown(space, key, value):
    return {"namespace": space, "key": key, "value": value,
            "created_at": "<ts>", "updated_at": "<ts>"}


@pytest.mark.smoke
def test_python_sdk(api, space):
    store = get_sync_client(url=api.url).store
    assert store.put_item([*space, "a"], key="k", value={"n": 1, "x": {"y": [1, None]}}) is None
    assert store.put_item([*space, "b"], key="l", value={"n": 2}, index=False, ttl=5) is None
    item = store.get_item([*space, "a"], key="k", refresh_ttl=False)
    assert whole(item) == shown([*space, "a"], "k", {"n": 1, "x": {"y": [1, None]}})
    assert store.get_item([*space, "a"], key="nothing") is None
    found = store.search_items(space, filter={"n": {"$gte": 1}}, limit=5, offset=0,
                               query="anything", refresh_ttl=True)
    assert [whole(i) for i in found["items"]] == [
        shown([*space, "b"], "l", {"n": 2}),
        shown([*space, "a"], "k", {"n": 1, "x": {"y": [1, None]}})]
    assert store.search_items(space, filter={"n": 1}) == {"items": [item]}
    assert store.list_namespaces(prefix=space, suffix=["b"], max_depth=2, limit=9, offset=0) == {
        "namespaces": [[*space, "b"]]}
    assert store.list_namespaces(prefix=space, max_depth=1) == {"namespaces": [space]}
    assert store.delete_item([*space, "a"], key="k") is None
    assert store.delete_item([*space, "a"], key="k") is None
    assert store.get_item([*space, "a"], key="k") is None


async def async_life(url, space):
    store = get_client(url=url).store
    assert await store.put_item(space, "k", {"v": 1}) is None
    item = await store.get_item(space, "k")
    assert await store.search_items(space) == {"items": [item]}
    assert await store.list_namespaces(space) == {"namespaces": [space]}
    assert await store.delete_item(space, "k") is None
    return item


def test_python_sdk_async(api, space):
    import asyncio
    assert whole(asyncio.run(async_life(api.url, space))) == shown(space, "k", {"v": 1})


def put(api, space, key, value, **more):
    got = api.request("PUT", "/store/items", {
        "namespace": space, "key": key, "value": value, **more})
    assert (got.status, got.body) == (204, b""), got


def get(api, space, key, query=""):
    return api.get(f"/store/items?namespace={'.'.join(space)}&key={key}{query}")


def test_put_again_keeps_when_it_was_made(api, space):
    put(api, space, "k", {"v": 1})
    first = get(api, space, "k")
    put(api, space, "k", {"v": 2})
    second = get(api, space, "k")
    assert second["value"] == {"v": 2}
    assert second["created_at"] == first["created_at"] < second["updated_at"]


def test_the_last_changed_comes_first(api, space):
    for key in "abc":
        put(api, space, key, {"k": key})
    put(api, space, "a", {"k": "a"})
    def page(**more):
        got = api.post("/store/items/search", {"namespace_prefix": space, **more})
        return [i["key"] for i in got["items"]]
    assert page() == ["a", "c", "b"]
    assert page(limit=2) == ["a", "c"] and page(limit=2, offset=2) == ["b"]
    assert page(offset=9) == []
    assert page(filter={"k": {"$ne": "a"}}) == ["c", "b"]
    assert page(filter={"k": {"$gt": "a", "$lt": "c"}}) == ["b"]


def test_expiry(api, space):
    """Read, it lives on; left alone, it goes, for searches and lists too."""
    put(api, space, "gone", {"v": 1}, ttl=0.005)
    put(api, space, "stays", {"v": 1}, ttl=60)
    assert get(api, space, "gone", "&refresh_ttl=false") is not None
    until(lambda: get(api, space, "gone", "&refresh_ttl=false") is None, "it being gone")
    keys = [i["key"] for i in api.post("/store/items/search", {"namespace_prefix": space})["items"]]
    assert keys == ["stays"]


def test_the_sweeper(api, stack, space):
    swept = "leat_items_expired_total"
    before = stack.metrics("broker")[swept]
    put(api, space, "gone", {"v": 1}, ttl=0.0001)
    until(lambda: stack.metrics("broker")[swept] > before, "the sweep")


def test_labels_in_the_query(api, space):
    put(api, [*space, "a,b c/ä"], "k&l=m", {"v": 1})
    where = f"namespace={space[0]}.a%2Cb%20c%2F%C3%A4&key=k%26l%3Dm"
    assert api.get(f"/store/items?{where}")["key"] == "k&l=m"
    assert api.get(f"/store/items?namespace={space[0]}&namespace=a%2Cb+c%2F%C3%A4"
                   "&key=k%26l%3Dm")["value"] == {"v": 1}


WRONG = [
    ("PUT", "", "namespace", [None, "a", 5, {}, [1], [""], ["a.b"], ["a\0b"], ["x" * 64]]),
    ("PUT", "", "key", [None, 5, "", [], "a\0b", "x" * 65]),
    ("PUT", "", "value", [None, "s", 5, []]),
    ("PUT", "", "index", [True, 5, "a", [5]]),
    ("PUT", "", "ttl", [0, -1, "5", [], 1e300, True]),
    ("DELETE", "", "namespace", [None, "a", [5], ["a.b"]]),
    ("DELETE", "", "key", [None, 5, ""]),
    ("POST", "/search", "namespace_prefix", ["a", 5, [5], ["a.b"], [""]]),
    ("POST", "/search", "filter", ["a", 5, [], {"a": {"$in": [1]}}, {"a": {"$gt": None}}]),
    ("POST", "/search", "limit", [0, 1001, -1, "5", 1.5, 10**30]),
    ("POST", "/search", "offset", [-1, "5", 1.5, 10**30]),
    ("POST", "/search", "query", [5, []]),
    ("POST", "/search", "refresh_ttl", ["true", 1]),
    ("POST", "!/store/namespaces", "prefix", ["a", [5], ["a.b"]]),
    ("POST", "!/store/namespaces", "suffix", ["a", [5], [""]]),
    ("POST", "!/store/namespaces", "max_depth", [0, -1, "1", 1.5]),
    ("POST", "!/store/namespaces", "limit", [0, 1001, "5"]),
    ("POST", "!/store/namespaces", "offset", [-1, "5"]),
]


@pytest.mark.parametrize("method, tail, field, value",
                         [(m, t, f, v) for m, t, f, vs in WRONG for v in vs],
                         ids=lambda v: str(v)[:20].replace("\0", "NUL"))
def test_a_wrong_field_is_named(api, method, tail, field, value):
    path = tail[1:] if tail.startswith("!") else f"/store/items{tail}"
    good = {"namespace": ["wrong"], "key": "k", "value": {}} if not tail else {}
    got = api.request(method, path, {**good, field: value})
    assert got.status == 422 and got.json()["detail"].startswith(field), got


def test_other_errors(api):
    empty = {"namespace": [], "key": "k", "value": {}}
    assert api.request("PUT", "/store/items", empty).status == 400
    for query, status in (("namespace=a", 422), ("key=k", 400), ("namespace=a.&key=k", 422),
                          ("namespace=a&key=k&refresh_ttl=maybe", 422),
                          ("namespace=a&key=%ff", 400), ("namespace=a&key=%zz", 400),
                          ("namespace=a&key=%00", 400)):
        assert api.request("GET", f"/store/items?{query}").status == status, query


# What Leat answers otherwise: its errors are JSON, and those of fields 422.
DIFFERS = {"308": 422, "311": 422}


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recordings are not beside the checkout")
def test_as_recorded(api):
    """The requests of the recordings, in their order, and their answers."""
    files = [f for f in sorted(RECORDED.glob("3*-store-*.http"))]
    assert len(files) == 12
    for file in files:
        sent, received = file.read_text().split("### RESPONSE", 1)
        head, _, body = sent.partition("\n\n")
        method, path = head.splitlines()[1].split()[:2]
        got = api.request(method, path, body.strip() or None)
        status = int(received.split("HTTP/1.1 ")[1][:3])
        assert got.status == DIFFERS.get(file.name[:3], status), file.name
        text = received.partition("\n\n")[2].strip()
        if got.status == 200:
            assert mask(got.json()) == mask(json.loads(text)), file.name
