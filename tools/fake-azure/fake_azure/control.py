"""The control plane under `/_fake/`: what a test does that no Azure client could."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from fake_cloud.request import Answer, Request

from . import change, drift, models, scenario
from .dispatch import Dispatcher
from .rules import RULES
from .world import World

PREFIX = "/_fake/"


class Control:
    """The one world that is served, and the means to replace and move it."""

    def __init__(self) -> None:
        self.world: World
        self._dispatcher: Dispatcher
        self.reset({})
        self._posts: dict[str, Callable[[Any], Any]] = {
            "reset": self.reset,
            "advance": self._advance,
            "inject": self._inject,
            "write": lambda body: change.write(self.world, body),
            "foreign-job": lambda body: change.foreign_job(self.world, body),
            "set": lambda body: change.settle(self.world, body),
        }
        self._gets: dict[str, Callable[[dict[str, str]], Any]] = {
            "now": lambda _: {"now": self.world.now, "next": self.world.clock.next_due},
            "journal": lambda query: self.world.journal.entries[int(query.get("since", 0)) :],
            "violations": lambda _: self.world.journal.violations,
            "events": lambda _: self.world.journal.events,
            "state": lambda _: self._state(),
            "rules": lambda _: [dataclasses.asdict(each) | {"in_force": self.world.rules[each.name]} for each in RULES],
            "operations": lambda _: {"packages": models.versions(), "operations": drift.outlines()},
        }

    def answer(self, request: Request) -> Answer:
        """Answers a request, be it for the control plane or for Azure."""
        if not request.path.startswith(PREFIX):
            return self._dispatcher.answer(request)
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

    def reset(self, body: dict[str, Any]) -> dict[str, Any]:
        """Begins anew with a scenario. Of the world before nothing is kept; its violations are handed over."""
        before = self.world.journal.violations if hasattr(self, "world") else []
        self.world = scenario.build(body)
        self._dispatcher = Dispatcher(self.world)
        return {"now": self.world.now, "violations_before": before}

    def _advance(self, body: dict[str, Any]) -> dict[str, Any]:
        self.world.clock.advance(body["seconds"])
        return {"now": self.world.now}

    def _inject(self, body: dict[str, Any]) -> dict[str, Any]:
        self.world.faults.add(body)
        return {"planned": len(self.world.faults.plans)}

    def _state(self) -> dict[str, Any]:
        world = self.world
        secret = {"secret", "assertions", "identity_header"}
        principals = {
            name: {key: value for key, value in dataclasses.asdict(each).items() if key not in secret}
            for name, each in world.principals.items()
        }
        jobs = {
            name: {field.name: getattr(job, field.name) for field in dataclasses.fields(job) if field.name != "timer"}
            for name, job in world.jobs.items()
        }
        return {
            "now": world.now,
            "resources": {each.id: {**each.view(), "hidden": each.hidden} for each in world.resources.values()},
            "principals": principals,
            "jobs": jobs,
            "subscriptions": {name: dataclasses.asdict(each) for name, each in world.subscriptions.items()},
        }


def _json(status: int, value: Any) -> Answer:
    return Answer(status, {"Content-Type": "application/json"}, json.dumps(value, default=str).encode())
