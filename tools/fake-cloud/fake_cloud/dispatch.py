"""The way of a request that all clouds share: time passes, faults strike, and everything is written down."""

from __future__ import annotations

import time
import traceback
from typing import Any

from .request import Answer, Cut, Request
from .world import World


class Dispatcher:
    """Answers the requests of a cloud's clients from one world; each cloud says how."""

    # The header that tells the request's id.
    request_id: str

    def __init__(self, world: World) -> None:
        self.world: Any = world
        self._heard = time.monotonic()

    def handle(self, request: Request, entry: dict[str, Any]) -> Answer:
        """Answers a request whose journal entry is this."""
        raise NotImplementedError

    def failed(self, entry: dict[str, Any]) -> Answer:
        """The cloud's answer when it has failed itself."""
        raise NotImplementedError

    def refusal(self, fault: dict[str, Any]) -> Exception:
        """The cloud's exception for a fault of kind `error` or `http`."""
        raise NotImplementedError

    def answer(self, request: Request) -> Answer:
        """Answers one request.

        Raises Cut when a fault wants the connection to end.
        """
        entry = self.world.journal.begin(
            time=self.world.now, method=request.method, path=request.path, query=request.query,
            request_id=self.world.ids.uuid("request"), agent=request.header("user-agent"), outcome="unanswered",
        )  # fmt: skip
        try:
            self._pass_time()
            entry["time"] = self.world.now
            answer = self.handle(request, entry)
        except Cut:
            entry["cut"] = True
            raise
        except Exception:
            # A mistake of the fake must fail the test that met it, not look like a mood of the cloud.
            self.world.journal.violate(entry, "fake", [traceback.format_exc()])
            entry["outcome"] = "fake failed"
            answer = self.failed(entry)
        finally:
            cut, instead = entry.pop("_cut_after", False), entry.pop("_instead", None)
        answer.headers.setdefault(self.request_id, entry["request_id"])
        entry["status"] = answer.status
        if cut:
            entry["cut"] = True
            raise Cut
        return instead or answer

    def _pass_time(self) -> None:
        world, heard = self.world, time.monotonic()
        seconds = world.per_request + world.speed * (heard - self._heard)
        self._heard = heard
        world.clock.advance(seconds)

    def before(self, faults: list[dict[str, Any]], entry: dict[str, Any]) -> None:
        """Faults that strike ahead of the handler, and those to be remembered for after it."""
        for fault in faults:
            entry.setdefault("faults", []).append(fault)
            kind = fault["kind"]
            if kind == "advance":
                self.world.clock.advance(fault["seconds"])
            elif kind == "cut" and fault.get("when", "before") == "before":
                raise Cut
            elif kind == "cut":
                entry["_cut_after"] = True
            elif kind == "http":
                told = {"Retry-After": str(fault["retry_after"])} if "retry_after" in fault else {}
                page = b"<html>out of order</html>"
                entry["_instead"] = Answer(fault["status"], {"Content-Type": "text/html", **told}, page)
                if not fault.get("committed"):
                    raise self.refusal(fault)
            elif kind == "error":
                raise self.refusal(fault)
