"""AWS's service models as botocore ships them, and the operation that a request names."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any

from botocore.loaders import Loader
from moto.core.model import OperationModel, ServiceModel

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

_LOADER = Loader()


@dataclass(frozen=True)
class Service:
    """One service: its model, its protocol, and how its requests name their operation."""

    name: str
    model: ServiceModel
    routes: tuple[tuple[str, re.Pattern[str], OperationModel], ...]
    paginators: dict[str, dict[str, Any]]

    @property
    def protocol(self) -> str:
        """rest-json, json, query or ec2."""
        return self.model.metadata["protocol"]

    def find(self, method: str, path: str, target: str, action: str) -> tuple[OperationModel, dict[str, str]] | None:
        """The operation of a request and the raw values of its path; `None` when it is none of this service."""
        if self.protocol == "rest-json":
            for verb, pattern, operation in self.routes:
                found = pattern.match(path) if verb == method else None
                if found:
                    return operation, found.groupdict()
            return None
        name = action
        if self.protocol == "json":
            prefix, _, name = target.partition(".")
            if prefix != self.model.metadata["targetPrefix"]:
                return None
        if name not in self.model.operation_names:
            return None
        return self.model.operation_model(name), {}


def _route(operation: OperationModel) -> tuple[str, re.Pattern[str], OperationModel]:
    path = operation.http["requestUri"].split("?")[0].rstrip("/")
    pattern = re.sub(r"\{(\w+)\+?\}", r"(?P<\1>[^/]+)", path)
    return operation.http["method"], re.compile(f"^{pattern}/?$"), operation


@functools.cache
def service(name: str) -> Service:
    """The service with this name in a signature's scope.

    Raises KeyError for one that the fake does not have.
    """
    botocore_name = SERVICES[name]
    model = ServiceModel(_LOADER.load_service_model(botocore_name, "service-2"), botocore_name)
    routes = [_route(model.operation_model(each)) for each in model.operation_names]
    # Longer patterns first, so that a fixed word wins over a placeholder.
    routes.sort(key=lambda route: -len(re.sub(r"\(\?P<\w+>\[\^/\]\+\)", "", route[1].pattern)))
    paginators = _LOADER.load_service_model(botocore_name, "paginators-1")["pagination"]
    return Service(name, model, tuple(routes), paginators)
