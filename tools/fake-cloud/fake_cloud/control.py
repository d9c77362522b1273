"""The control plane under `/_fake/`: what a test does that no client of the cloud could."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from .dispatch import Dispatcher
from .request import Answer, Request

PREFIX = "/_fake/"

Post = Callable[[Any, dict[str, Any]], Any]
Get = Callable[[Any], Any]


class Control:
    """The one world that is served, and the means to replace and move it.

    `build` makes a world of a scenario; `posts` and `gets` are what only this cloud has.
    """

    def __init__(
        self, build: Callable[[dict[str, Any]], Any], dispatcher: type[Dispatcher], posts: dict[str, Post],
        gets: dict[str, Get],
    ) -> None:  # fmt: skip
        self._build = build
        self._dispatcher = dispatcher
        self._begin({})
        self._posts: dict[str, Callable[[dict[str, Any]], Any]] = {
            "reset": self.reset,
            "advance": self._advance,
            "inject": self._inject,
            **{name: lambda body, post=post: post(self.world, body) for name, post in posts.items()},
        }
        self._gets: dict[str, Callable[[dict[str, str]], Any]] = {
            "now": lambda _: {"now": self.world.now, "next": self.world.clock.next_due},
            "journal": lambda query: self.world.journal.entries[int(query.get("since", 0)) :],
            "calls": lambda query: self.world.journal.counted(int(query.get("since", 0))),
            "violations": lambda _: self.world.journal.violations,
            "events": lambda _: self.world.journal.events,
            "rules": lambda _: self.world.rules.told(),
            **{name: lambda _, get=get: get(self.world) for name, get in gets.items()},
        }

    def answer(self, request: Request) -> Answer:
        """Answers a request, be it for the control plane or for the cloud."""
        if not request.path.startswith(PREFIX):
            return self._served.answer(request)
        name = request.path[len(PREFIX) :]
        try:
            if request.method == "POST" and name in self._posts:
                return _json(200, self._posts[name](json.loads(request.body or b"{}")))
            if request.method == "GET" and name in self._gets:
                query = {key: values[0] for key, values in parse_qs(request.query).items()}
                return _json(200, self._gets[name](query))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return _json(400, {"error": f"{type(error).__name__}: {error}"})
        return _json(404, {"error": f"no {request.method} {name}; there are {sorted([*self._posts, *self._gets])}"})

    def _begin(self, scenario: dict[str, Any]) -> None:
        self.world: Any = self._build(scenario)
        self._served = self._dispatcher(self.world)

    def reset(self, scenario: dict[str, Any]) -> dict[str, Any]:
        """Begins anew with a scenario. Of the world before nothing is kept; its violations are handed over."""
        before = self.world.journal.violations
        self._begin(scenario)
        return {"now": self.world.now, "violations_before": before}

    def _advance(self, body: dict[str, Any]) -> dict[str, Any]:
        self.world.clock.advance(body["seconds"])
        return {"now": self.world.now}

    def _inject(self, body: dict[str, Any]) -> dict[str, Any]:
        self.world.faults.add(body)
        return {"planned": len(self.world.faults.plans)}


def _json(status: int, value: Any) -> Answer:
    return Answer(status, {"Content-Type": "application/json"}, json.dumps(value, default=str).encode())
