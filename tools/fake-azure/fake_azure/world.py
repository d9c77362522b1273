"""All subscriptions at one virtual moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fake_cloud import world
from fake_cloud.clock import stamp

from . import arm
from .arm import Resource
from .errors import Fault
from .models import Operation


@dataclass
class Principal:
    """An application or managed identity: how it proves itself, and what it may do."""

    client_id: str
    object_id: str
    tenant: str
    secret: str | None = None
    assertions: list[str] = field(default_factory=list)
    managed: bool = False
    identity_header: str | None = None
    token_seconds: int | None = None
    roles: list[dict[str, Any]] | None = None
    deny: list[str] = field(default_factory=list)


@dataclass
class Token:
    """An access token that was given out."""

    text: str
    principal: str
    audience: str
    expires: float


@dataclass
class Subscription:
    """One subscription; its quotas are by resource type and location."""

    id: str
    tenant: str
    name: str
    state: str = "Enabled"
    locations: list[str] = field(default_factory=list)
    unregistered: list[str] = field(default_factory=list)
    restricted: list[str] = field(default_factory=list)


@dataclass
class Job:
    """A job of a vault: a backup or a restore."""

    id: str
    vault: str
    kind: str
    item: str
    status: str
    started: float
    seconds: float
    user: bool = True
    ended: float | None = None
    error: dict[str, Any] | None = None
    point: str | None = None
    activity: str | None = None
    shown: dict[str, Any] = field(default_factory=dict)
    timer: Any = None


@dataclass
class World(world.World):
    """All subscriptions, and what is under way."""

    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    resources: dict[str, Resource] = field(default_factory=dict)
    principals: dict[str, Principal] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    running: dict[str, Any] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    requests: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)

    def find(self, resource_id: str) -> Resource | None:
        """The resource with this id, whatever its case."""
        return self.resources.get(arm.key(resource_id))

    def put(self, resource: Resource) -> Resource:
        """A resource comes into being, or takes another's place."""
        self.resources[resource.key] = resource
        return resource

    def new(self, resource_id: str, body: dict[str, Any], **hidden: Any) -> Resource:
        """A resource comes into being now."""
        made = Resource(resource_id, arm.kind(resource_id), arm.name(resource_id), body, self.now, hidden)
        return self.put(made)

    def remove(self, resource_id: str) -> None:
        """A resource goes, and all below it; jobs that run on it do not."""
        below = arm.key(resource_id)
        for known in [each for each in self.resources if each == below or each.startswith(f"{below}/")]:
            del self.resources[known]

    def below(self, parent_id: str, kind: str) -> list[Resource]:
        """The resources of a type at or below an id, in the order in which they came."""
        prefix = arm.key(parent_id) + "/"
        return [
            each for known, each in self.resources.items()
            if known.startswith(prefix) and each.kind.lower() == kind.lower()
        ]  # fmt: skip

    def time(self, seconds: float | None = None) -> str:
        """A time as Azure writes it."""
        return stamp(self.now if seconds is None else seconds).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")


@dataclass
class Reply:
    """What a handler answers at once."""

    body: Any = None
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Work:
    """What a handler only begins: it ends after a while, and `done` or `failed` is called then.

    `shown` is what the resource looks like meanwhile, `result` what the operation yields, and `info` what its status
    tells of it.
    """

    seconds: float
    done: Callable[[], None]
    failed: Callable[[dict[str, Any]], None] = lambda error: None
    shown: Callable[[], dict[str, Any] | None] = lambda: None
    result: Callable[[], dict[str, Any] | None] = lambda: None
    info: Callable[[], dict[str, Any] | None] = lambda: None
    resource: str = ""


@dataclass
class Call:
    """One request on its way through a handler: who calls, for what, and with what."""

    world: World
    operation: Operation
    path: dict[str, str]
    query: dict[str, str]
    body: Any
    principal: Principal
    base: str
    resource_id: str
    headers: Mapping[str, str]
    entry: dict[str, Any]

    @property
    def now(self) -> float:
        """The virtual time."""
        return self.world.now

    def rule(self, name: str) -> Any:
        """The value of a rule in force."""
        return self.world.rules[name]

    def shows(self, resource: Resource) -> bool:
        """Whether a reading call sees a resource yet."""
        return self.operation.method != "GET" or resource.created <= self.now - self.rule("read.lag_seconds")

    def below(self, scope: str, kind: str) -> list[Resource]:
        """The resources of a type below a scope, as this call sees them."""
        return [each for each in self.world.below(scope, kind) if self.shows(each)]

    def here(self) -> Resource:
        """The resource that the path names.

        Raises Fault when there is none.
        """
        return self.need(self.resource_id)

    def survivor(self) -> Resource | None:
        """The resource that a PUT finds, unless its creation failed and the PUT begins anew.

        Raises Fault for one that is being deleted.
        """
        found = self.world.find(self.resource_id)
        if found is not None and found.state == "Deleting":
            raise Fault("Conflict", f"{found.name} is being deleted.")
        if found is not None and found.state == "Failed" and self.rule("put.failed") == "anew":
            self.world.remove(found.id)
            return None
        return found

    def need(self, resource_id: str, code: str = "ResourceNotFound") -> Resource:
        """The resource with an id.

        Raises Fault when there is none.
        """
        found = self.world.find(resource_id)
        if found is None or not self.shows(found):
            kind, group = arm.kind(resource_id), arm.group(resource_id)
            what = f"{kind}/{arm.name(resource_id)}"
            raise Fault(code, f"The Resource '{what}' under resource group '{group}' was not found.")
        return found
