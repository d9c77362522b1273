"""AWS's service models as botocore ships them, and the operation that a request names."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from fake_cloud import kept
from moto.core.model import OperationModel, ServiceModel

from . import outline

# The name in a signature's scope, and botocore's name of the model.
SERVICES: dict[str, str] = {
    "backup": "backup",
    "elasticfilesystem": "efs",
    "ebs": "ebs",
    "ec2": "ec2",
    "sagemaker": "sagemaker",
    "tagging": "resourcegroupstaggingapi",
    "sts": "sts",
    "iam": "iam",
    "kms": "kms",
}


@dataclass(frozen=True)
class Route:
    """How a REST request names its operation."""

    method: str
    path: str
    name: str

    @functools.cached_property
    def pattern(self) -> re.Pattern[str]:
        """What matches the raw path, a group for each placeholder."""
        return re.compile(re.sub(r"\{(\w+)\+?\}", r"(?P<\1>[^/]+)", f"^{self.path}/?$"))


class Service:
    """One service: its model, its protocol, and how its requests name their operation."""

    def __init__(self, name: str) -> None:
        self.name = name
        answered = _answered(name)
        known = kept.key("boto", answered, kept.__file__, outline.__file__)
        self._kept = kept.kept(SERVICES[name], known, lambda: outline.read(SERVICES[name], answered))
        self._model = ServiceModel(self._kept["model"], SERVICES[name])
        self.names = frozenset(self._kept["names"])
        self.paginators: dict[str, dict[str, Any]] = self._kept["paginators"]
        self.metadata: dict[str, Any] = self._model.metadata
        self.routes = [Route(*each) for each in self._kept["routes"]]
        self._routes: dict[tuple[str, int], list[Route]] = defaultdict(list)
        for route in self.routes:
            self._routes[route.method, route.path.count("/")].append(route)

    @property
    def protocol(self) -> str:
        """rest-json, json, query or ec2."""
        return self.metadata["protocol"]

    @functools.cache  # noqa: B019
    def operation(self, name: str) -> OperationModel:
        """The model of an operation; of one that nobody answers here it is read out of the whole model.

        Raises OperationNotFoundError for one that the service does not have.
        """
        if name in self._kept["model"]["operations"]:
            return self._model.operation_model(name)
        return ServiceModel(outline.whole(SERVICES[self.name]), SERVICES[self.name]).operation_model(name)

    def find(self, method: str, path: str, target: str, action: str) -> tuple[OperationModel, dict[str, str]] | None:
        """The operation of a request and the raw values of its path; `None` when it is none of this service."""
        if self.protocol == "rest-json":
            for route in self._routes.get((method, path.rstrip("/").count("/")), ()):
                found = route.pattern.match(path)
                if found:
                    return self.operation(route.name), found.groupdict()
            return None
        name = action
        if self.protocol == "json":
            prefix, _, name = target.partition(".")
            if prefix != self.metadata["targetPrefix"]:
                return None
        return (self.operation(name), {}) if name in self.names else None


def _answered(name: str) -> list[str]:
    from . import services  # noqa: PLC0415
    from .registry import HANDLERS  # noqa: PLC0415

    services.load()
    return [operation for service, operation in HANDLERS if service == name]


@functools.cache
def service(name: str) -> Service:
    """The service with this name in a signature's scope.

    Raises KeyError for one that the fake does not have.
    """
    if name not in SERVICES:
        raise KeyError(name)
    return Service(name)
