# SPDX-License-Identifier: Apache-2.0
"""What a graph factory is called with: the config of the run, or the SDK's
`ServerRuntime`, which says why the graph is wanted. And who acts, as nodes and
factories may ask for it."""

import dataclasses
import inspect
import typing

from pydantic import BaseModel

RUN, UPDATE, READ = "threads.create_run", "threads.update", "assistants.read"


class User(dict):
    """`langgraph_auth_user`: its keys are attributes too."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


@dataclasses.dataclass
class Wish:
    """Why a graph is wanted, and with what."""

    config: dict
    access: str = READ
    context: typing.Any = None
    store: typing.Any = None

    @property
    def user(self):
        user = (self.config.get("configurable") or {}).get("langgraph_auth_user")
        return User(user) if isinstance(user, dict) else user


def is_runtime(parameter):
    return parameter.name == "runtime" or "Runtime" in str(parameter.annotation)


def in_type(context, annotation):
    """As the C of ServerRuntime[C], where that can be made of a map."""
    for kind in typing.get_args(annotation):
        model = isinstance(kind, type) and issubclass(kind, BaseModel)
        if isinstance(context, dict) and (model or dataclasses.is_dataclass(kind)):
            return kind(**context)
    return context


def runtime_of(wish, annotation):
    """None: this version of the SDK has no such thing."""
    try:
        from langgraph_sdk import runtime
        more = {"access_context": wish.access, "user": wish.user, "store": wish.store}
        if wish.access == RUN:
            context = in_type(wish.context, annotation)
            return runtime._ExecutionRuntime(context=context, **more)
        return runtime._ReadRuntime(**more)
    except (ImportError, AttributeError):
        return None


def hints_of(factory):
    """Annotations that were written as text, as what they mean."""
    try:
        return typing.get_type_hints(factory)
    except Exception:  # a name that only a type checker knows
        return {}


def arguments(factory, wish):
    """What the factory wants to be called with: (positional, by name)."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return [wish.config], {}
    hints = hints_of(factory)

    def value(p):
        if is_runtime(p):
            return runtime_of(wish, hints.get(p.name, p.annotation))
        return wish.config

    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    wanted = [p for p in places if p.default is p.empty]
    names = [p for p in parameters if p not in wanted and p.name in ("config", "runtime")
             and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    return [value(p) for p in wanted], {p.name: value(p) for p in names}
