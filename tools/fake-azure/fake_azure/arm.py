"""Ids of resources: case does not count in them, and their parts say what a thing is and where."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

_GROUP = re.compile(r"^/subscriptions/([^/]+)(?:/resourcegroups/([^/]+))?", re.IGNORECASE)


def key(resource_id: str) -> str:
    """The id as it is compared."""
    return resource_id.rstrip("/").lower()


def subscription(resource_id: str) -> str:
    """The subscription of an id, in lower case; empty when there is none."""
    found = _GROUP.match(resource_id)
    return found[1].lower() if found else ""


def group(resource_id: str) -> str:
    """The resource group of an id, in lower case; empty when there is none."""
    found = _GROUP.match(resource_id)
    return (found[2] or "").lower() if found else ""


def kind(resource_id: str) -> str:
    """The type of an id, such as `Microsoft.Compute/disks`; empty for what has no provider."""
    _, found, rest = resource_id.rpartition("/providers/")
    if not found:
        return ""
    namespace, *parts = rest.strip("/").split("/")
    return "/".join([namespace, *parts[::2]])


def name(resource_id: str) -> str:
    """The last part of an id."""
    return resource_id.rstrip("/").rpartition("/")[2]


def parent(resource_id: str) -> str:
    """The id without its last type and name."""
    return resource_id.rstrip("/").rpartition("/")[0].rpartition("/")[0]


@dataclass
class Resource:
    """One resource: what GET shows of it, and what the fake alone knows."""

    id: str
    kind: str
    name: str
    body: dict[str, Any]
    created: float
    hidden: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The id as it is compared."""
        return key(self.id)

    @property
    def properties(self) -> dict[str, Any]:
        """The properties, which most resources have."""
        return self.body.setdefault("properties", {})

    @properties.setter
    def properties(self, value: dict[str, Any]) -> None:
        self.body["properties"] = value

    @property
    def tags(self) -> dict[str, str]:
        """The tags; empty when there are none."""
        return self.body.get("tags") or {}

    @property
    def location(self) -> str:
        """Where it lies."""
        return self.body.get("location", "")

    @property
    def state(self) -> str:
        """The provisioning state."""
        return self.properties.get("provisioningState", "Succeeded")

    @state.setter
    def state(self, value: str) -> None:
        self.properties["provisioningState"] = value

    def view(self) -> dict[str, Any]:
        """The resource as GET shows it."""
        return {"id": self.id, "name": self.name, "type": self.kind, **self.body}
