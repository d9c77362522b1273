"""Azure's contract as the azure-mgmt packages have it, and the operation that a request names."""

from __future__ import annotations

import functools
import importlib
import re
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from types import ModuleType
from typing import Any

from .source import Builder, Outcome, Source

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

_VERBS = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}
_OF_SUBSCRIPTION = re.compile(r"^/subscriptions/[^/]+/providers/[^/]+/?$", re.IGNORECASE)
_PART = re.compile(r"\{(\w+)\}")
_PROVIDER = re.compile(r"/providers/([^/]+)", re.IGNORECASE)


@dataclass(frozen=True)
class Operation:
    """One operation: how it is asked for, and what it takes and answers."""

    service: str
    name: str
    builder: Builder
    outcome: Outcome
    models: ModuleType

    @property
    def method(self) -> str:
        """The verb."""
        return self.builder.method

    @property
    def full_name(self) -> str:
        """`service:group.method`."""
        return f"{self.service}:{self.name}"

    def model(self, name: str | None) -> type | None:
        """A model of this operation's package."""
        return getattr(self.models, name) if name else None

    @property
    def action(self) -> str:
        """The Azure action that the call needs, by the rule that the names of actions follow."""
        _, found, rest = self.builder.template.rpartition("/providers/")
        namespace, *parts = rest.split("/")
        if not found or rest.startswith("{"):
            template = self.builder.template.replace("resourcegroups", "resourceGroups")
            namespace, parts = "Microsoft.Resources", template.strip("/").split("/")
        return "/".join([namespace, *parts[::2], _VERBS.get(self.method, "action")])


class Service:
    """One package: its operations, found by name or by a request's path."""

    def __init__(self, name: str) -> None:
        package = importlib.import_module(SERVICES[name][0])
        self.name = name
        self._models = importlib.import_module(f"{SERVICES[name][0]}.models")
        self._source = Source(Path(str(package.__file__)).parent / "operations")
        self._routes: dict[tuple[str, int | None], list[tuple[Builder, re.Pattern[str]]]] = {}
        # More fixed words first, so that a word wins over a placeholder.
        for each in sorted(self._source.builders.values(), key=lambda each: -len(_PART.sub("", each.template))):
            parts = None if each.free else each.template.rstrip("/").count("/")
            self._routes.setdefault((each.method, parts), []).append((each, _pattern(each)))

    @functools.cache  # noqa: B019
    def operation(self, name: str) -> Operation:
        """The operation `group.method`.

        Raises KeyError for one that the package does not have.
        """
        builder = self._source.builders[name.replace(".", "_")]
        return Operation(self.name, name, builder, self._source.outcome(name), self._models)

    def find(self, method: str, path: str) -> tuple[str, dict[str, str]] | None:
        """The builder's name of a request, and the raw values of its path."""
        for parts in (path.rstrip("/").count("/"), None):
            for builder, pattern in self._routes.get((method, parts), []):
                found = pattern.match(path)
                if found:
                    return builder.name, found.groupdict()
        return None


def _pattern(builder: Builder) -> re.Pattern[str]:
    def part(match: re.Match[str]) -> str:
        return f"(?P<{match[1]}>{'.*?' if match[1] in builder.free else '[^/]+'})"

    escaped = re.sub(r"\\([{}])", r"\1", re.escape(builder.template.rstrip("/")))
    return re.compile(f"^{_PART.sub(part, escaped)}/?$", re.IGNORECASE)


@functools.cache
def service(name: str) -> Service:
    """The service of this name; its package is loaded when it is first asked for."""
    return Service(name)


def of_path(path: str) -> list[Service]:
    """The services whose provider a path names."""
    found = [] if _OF_SUBSCRIPTION.match(path) else _PROVIDER.findall(path)
    namespace = found[-1].lower() if found else ""
    return [service(name) for name, (_, provider) in SERVICES.items() if provider == namespace]


def versions() -> dict[str, Any]:
    """The versions of the packages that the contract is read from."""
    return {dist.name: dist.version for dist in distributions() if dist.name.startswith("azure-mgmt-")}
