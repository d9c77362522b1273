"""Long-running operations: how each may be answered, and what its poll URLs say."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from fake_cloud.request import Answer, Request

from . import arm
from .errors import Fault
from .models import Operation
from .validation import Model
from .world import Call, Work, World

VARIANTS = ("immediate", "async", "location", "both", "state")
ASYNC, LOCATION = "asyncOperations", "operationResults"
_POLL = re.compile(rf"^/subscriptions/([^/]+)/providers/([^/]+)/locations/([^/]+)/({ASYNC}|{LOCATION})/([^/]+)$")


@dataclass
class Running:
    """One long-running operation."""

    id: str
    operation: Operation
    work: Work
    variant: str
    base: str
    provider: str
    started: float
    retry_after: int | None
    padding: str
    lost_after: float | None
    location: str = ""
    status: str = "Running"
    ended: float | None = None
    error: dict[str, Any] | None = None
    timer: Any = field(default=None, repr=False)

    def url(self, word: str) -> str:
        """One of the two poll URLs."""
        return f"{self.base}{self.provider}/locations/{self.location}/{word}/{self.id}?{self.query}"

    @property
    def query(self) -> str:
        """What a poll must repeat to the letter."""
        return f"api-version={self.operation.builder.version}&t={self.id[:8]}&c={self.padding}"

    def headers(self) -> dict[str, str]:
        """Where to poll, and when."""
        found = {}
        if self.variant in {"async", "both"}:
            found["Azure-AsyncOperation"] = self.url(ASYNC)
        if self.variant in {"location", "both"}:
            found["Location"] = self.url(LOCATION)
        return found | self.patience()

    def patience(self) -> dict[str, str]:
        """Retry-After, if it is told."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


def variants(operation: Operation) -> dict[str, int]:
    """The variants that the SDK's client accepts of an operation, each with its status."""
    told, result = operation.outcome.statuses, operation.model(operation.outcome.result)
    writes = operation.method in {"PUT", "PATCH"}
    found: dict[str, int] = {}
    final = next((status for status in (200, 201, 204) if status in told and not (status == 204 and result)), None)
    if final is not None:
        found["immediate"] = final
    # What a POST yields is only at Location.
    apart = [201, 202, 200] if operation.method == "PUT" else [202, 201, 200]
    status = next((status for status in apart if status in told), None)
    if status is not None and not (operation.method == "POST" and result):
        found["async"] = status
    status = next((status for status in (202, 201) if status in told), None)
    if status is not None:
        found |= {"location": status, "both": status}
    if writes and result is not None and final is not None and _has_state(result):
        found["state"] = 201 if operation.method == "PUT" and 201 in told else final
    return found


def _has_state(model: Model) -> bool:
    return any("provisioningState" in kind.members() for kind in model.inside("properties"))


def default(operation: Operation) -> str:
    """The variant that the SDK's models tell of."""
    able, told = variants(operation), operation.outcome.headers
    wish = {(True, True): "both", (True, False): "async", (False, True): "location"}.get(
        ("Azure-AsyncOperation" in told, "Location" in told), "both"
    )
    return next(each for each in (wish, "async", "location", "state", "immediate") if each in able)


def begin(call: Call, work: Work, faults: list[dict[str, Any]]) -> tuple[int, dict[str, str], Any]:
    """Begins an operation; gives status, headers and body of the answer."""
    world, able = call.world, variants(call.operation)
    fault: dict[str, Any] = next((each for each in faults if each["kind"] == "lro"), {})
    variant = fault.get("variant") or call.rule("lro.variant")
    if variant not in able:
        if "variant" in fault:
            raise ValueError(f"{call.operation.full_name} is never answered {variant}: only {', '.join(able)}")
        variant = default(call.operation)
    length = fault.get("url_bytes", call.rule("lro.url_bytes"))
    running = Running(
        world.ids.uuid("operation"), call.operation, work, variant, call.base, _provider(call), world.now,
        fault.get("retry_after", call.rule("lro.retry_after_seconds")), "x" * length,
        fault.get("lost_after", call.rule("lro.lost_after_seconds")),
    )  # fmt: skip
    resource = world.find(work.resource or call.resource_id)
    running.location = (resource.location if resource else "") or "westeurope"
    world.running[running.id] = running
    call.entry["lro"] = {"id": running.id, "variant": variant}
    outcome = next((each for each in faults if each["kind"] == "outcome"), None)
    seconds = fault.get("seconds", work.seconds)
    if variant == "immediate":
        _end(world, running, outcome)
        if running.error is not None:
            raise Fault(running.error["code"], running.error["message"], details=running.error.get("details"))
    else:
        running.timer = world.clock.after(seconds, lambda: _end(world, running, outcome))
    ended = variant == "immediate"
    body = (work.result() or work.shown()) if ended else work.shown()
    return able[variant], {} if ended else running.headers() if variant != "state" else running.patience(), body


def _provider(call: Call) -> str:
    head, _, rest = call.resource_id.rpartition("/providers/")
    return f"{head.partition('/resource')[0]}/providers/{rest.partition('/')[0]}"


def _end(world: World, running: Running, outcome: dict[str, Any] | None) -> None:
    running.ended = world.now
    if outcome is None:
        running.status = "Succeeded"
        running.work.done()
    else:
        running.status = outcome["state"]
        running.error = {"code": outcome.get("code", "InternalOperationError" if outcome["state"] == "Failed" else
                         "OperationPreempted"), "message": outcome.get("message", "The operation did not succeed."),
                         "details": outcome.get("details", [])}  # fmt: skip
        running.work.failed(running.error)
    world.event("operation ended", operation=running.operation.full_name, id=running.id, status=running.status)


def takes(path: str) -> re.Match[str] | None:
    """Whether a path is that of a poll URL."""
    return _POLL.match(path)


def action(match: re.Match[str]) -> str:
    """The right that a poll needs."""
    return f"{match[2]}/locations/{match[4]}/read"


def params(world: World, match: re.Match[str]) -> dict[str, str]:
    """What is polled, as faults and the journal tell it: the URL's word, and the operation that gave it."""
    running: Running | None = world.running.get(match[5])
    return {"url": match[4], "id": match[5]} | ({"operation": running.operation.full_name} if running else {})


def answer(world: World, request: Request, match: re.Match[str]) -> Answer:
    """Answers a poll.

    Raises Fault when the URL is gone or was never given out.
    """
    running: Running | None = world.running.get(match[5])
    given = running is not None and arm.subscription(running.provider) == match[1].lower()
    if running is None or not given or request.method != "GET":
        raise Fault("NotFound", "The operation was not found.", 404)
    if request.query != running.query:
        raise Fault("InvalidPollUrl", "the poll URL is not the one that was given out")
    lost = running.lost_after is not None and world.now >= running.started + running.lost_after
    if lost or (running.ended is not None and world.now >= running.ended + world.rules["lro.kept_seconds"]):
        raise Fault(world.rules["lro.lost_code"], "The entity was not found.", 404)
    return _status(world, running) if match[4] == ASYNC else _result(running)


def _status(world: World, running: Running) -> Answer:
    done = running.ended is not None
    body: dict[str, Any] = {
        "id": running.url(ASYNC).partition("?")[0][len(running.base) :], "name": running.id,
        "status": running.status if done else world.rules["lro.running_word"],
        "startTime": world.time(running.started),
    }  # fmt: skip
    if running.ended is not None:
        body["endTime"] = world.time(running.ended)
    info = running.work.info()
    if info is not None:
        body["properties"] = info
    if running.error is not None:
        body["error"] = running.error
    return _json(200, body, {} if done else running.patience())


def _result(running: Running) -> Answer:
    if running.ended is None:
        return Answer(202, {"Location": running.url(LOCATION), **running.patience()}, b"")
    if running.error is not None:
        raise Fault(running.error["code"], running.error["message"], None if running.status == "Failed" else 409,
                    details=running.error.get("details"))  # fmt: skip
    body = running.work.result()
    return Answer(204, {}, b"") if body is None else _json(200, body, {})


def _json(status: int, body: Any, headers: dict[str, str]) -> Answer:
    return Answer(status, {"Content-Type": "application/json; charset=utf-8", **headers}, json.dumps(body).encode())
