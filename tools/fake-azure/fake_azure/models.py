"""Azure's contract as the azure-mgmt packages have it, and the operation that a request names."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

from fake_cloud import kept

from .validation import Model

# The name of a service here, its Python package, and the namespace of its provider ("" for Azure's own resources).
SERVICES: dict[str, tuple[str, str]] = {
    "compute": ("azure.mgmt.compute", "microsoft.compute"),
    "storage": ("azure.mgmt.storage", "microsoft.storage"),
    "netapp": ("azure.mgmt.netapp", "microsoft.netapp"),
    "dataprotection": ("azure.mgmt.dataprotection", "microsoft.dataprotection"),
    "recoveryservicesbackup": ("azure.mgmt.recoveryservicesbackup", "microsoft.recoveryservices"),
    "recoveryservices": ("azure.mgmt.recoveryservices", "microsoft.recoveryservices"),
    "authorization": ("azure.mgmt.authorization.v2022_04_01", "microsoft.authorization"),
    "locks": ("azure.mgmt.resource.locks", "microsoft.authorization"),
    "resources": ("azure.mgmt.resource.resources", ""),
    "subscriptions": ("azure.mgmt.resource.subscriptions", ""),
}

# The modules that read the packages; what they read is kept until one of them changes.
_PLACE = f"{__file__.rpartition('/')[0]}/"
_SOURCES = ("models.py", "package.py", "schema.py", "source.py")

_VERBS = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}
# https://learn.microsoft.com/azure/role-based-access-control/permissions/storage (latestBackupStatus/current/read)
_NAMED = {"current"}
_OF_SUBSCRIPTION = re.compile(r"^/subscriptions/[^/]+/providers/[^/]+/?$", re.IGNORECASE)
# Azure's own resources, where they stand behind others.
_OWN = "microsoft.resources"
_PART = re.compile(r"\{(\w+)\}")
_PROVIDER = re.compile(r"/providers/([^/]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Builder:
    """How a request is built: verb, URL template, version, limits of its path's parts, and its query."""

    name: str
    method: str
    template: str
    version: str
    limits: dict[str, dict[str, int]]
    free: frozenset[str]
    query: dict[str, str]
    required: frozenset[str]


@dataclass(frozen=True)
class Outcome:
    """What an operation takes and answers, by the names of models."""

    body: str | None
    body_required: bool
    statuses: tuple[int, ...]
    result: str | None
    listed: bool
    error: str | None
    headers: frozenset[str]
    long: bool


@dataclass(frozen=True)
class Operation:
    """One operation: how it is asked for, and what it takes and answers."""

    its: Service
    name: str
    builder: Builder
    outcome: Outcome

    @property
    def service(self) -> str:
        """The name of its service."""
        return self.its.name

    @property
    def method(self) -> str:
        """The verb."""
        return self.builder.method

    @property
    def full_name(self) -> str:
        """`service:group.method`."""
        return f"{self.service}:{self.name}"

    def model(self, name: str | None) -> Model | None:
        """A model of this operation's package."""
        return self.its.model(name) if name else None

    @property
    def action(self) -> str:
        """The Azure action that the call needs, by the rule that the names of actions follow."""
        _, found, rest = self.builder.template.rpartition("/providers/")
        namespace, *parts = rest.split("/")
        if not found or rest.startswith("{"):
            template = self.builder.template.replace("resourcegroups", "resourceGroups")
            namespace, parts = "Microsoft.Resources", template.strip("/").split("/")
        # The names of what is the only one of its kind stay out, but for those that the list of permissions has in.
        only = [parts[-1]] if len(parts) % 2 == 0 and parts[-1] in _NAMED else []
        return "/".join([namespace, *parts[::2], *only, _VERBS.get(self.method, "action")])


class Service:
    """One package: its operations, found by name or by a request's path."""

    def __init__(self, name: str) -> None:
        self.name = name
        answered = _answered(name)
        known = kept.key("azure_", answered, *(_PLACE + each for each in _SOURCES), kept.__file__)
        self._kept = kept.kept(name, known, lambda: self._package.contract(answered))
        self._models: dict[str, dict[str, Any]] = self._kept["models"]
        self._routes: dict[tuple[str, int | None], list[Route]] = defaultdict(list)
        for route in map(Route._make, self._kept["routes"]):
            self._routes[route.method, None if route.free else route.template.rstrip("/").count("/")].append(route)

    @functools.cached_property
    def _package(self) -> Any:
        from .package import Package  # noqa: PLC0415

        return Package(SERVICES[self.name][0])

    @functools.cache  # noqa: B019
    def operation(self, name: str) -> Operation:
        """The operation `group.method`; one that nobody answers here is read out of the package.

        Raises KeyError for one that the package does not have.
        """
        builder, outcome = self._kept["operations"].get(name) or self._package.operation(name)
        return Operation(self, name, Builder(*builder), Outcome(*outcome))

    def model(self, name: str) -> Model:
        """A model of the package; one that no answered operation needs is read out of the package."""
        if name not in self._models:
            self._models |= self._package.models([name])
        return Model(self._models, ("model", name, False))

    def find(self, method: str, path: str) -> tuple[str, dict[str, str]] | None:
        """The builder's name of a request, and the raw values of its path."""
        for parts in (path.rstrip("/").count("/"), None):
            for route in self._routes.get((method, parts), ()):
                found = _pattern(route).match(path)
                if found:
                    return route.name, found.groupdict()
        return None


class Route(NamedTuple):
    """How a request names its builder; `free` parts of the path may have slashes in them."""

    method: str
    template: str
    name: str
    free: frozenset[str]


@functools.cache
def _pattern(route: Route) -> re.Pattern[str]:
    def part(match: re.Match[str]) -> str:
        return f"(?P<{match[1]}>{'.*?' if match[1] in route.free else '[^/]+'})"

    escaped = re.sub(r"\\([{}])", r"\1", re.escape(route.template.rstrip("/")))
    return re.compile(f"^{_PART.sub(part, escaped)}/?$", re.IGNORECASE)


def _answered(name: str) -> list[str]:
    from . import services  # noqa: PLC0415
    from .registry import HANDLERS  # noqa: PLC0415

    services.load()
    return sorted(operation for service, operation in HANDLERS if service == name)


@functools.cache
def service(name: str) -> Service:
    """The service of this name; what it is held to is read when it is first asked for."""
    return Service(name)


def of_path(path: str) -> list[Service]:
    """The services whose provider a path names."""
    found = [] if _OF_SUBSCRIPTION.match(path) else _PROVIDER.findall(path)
    namespace = found[-1].lower().replace(_OWN, "") if found else ""
    return [service(name) for name, (_, provider) in SERVICES.items() if provider == namespace]


def versions() -> dict[str, Any]:
    """The versions of the packages that the contract is read from."""
    from importlib.metadata import distributions  # noqa: PLC0415

    return {dist.name: dist.version for dist in distributions() if dist.name.startswith("azure-mgmt-")}
