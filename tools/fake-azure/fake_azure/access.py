"""Who may do what: role definitions, their assignments, and the actions that a call needs."""

from __future__ import annotations

import math
from fnmatch import fnmatchcase
from typing import Any

from . import arm
from .errors import Fault
from .world import Call, Principal, World

Need = tuple[str, str]


def needs(call: Call) -> list[Need]:
    """The actions that a call needs, each with the resource that it is about; the first is the call's own."""
    found = [(call.operation.action, call.resource_id)]
    body = call.body if isinstance(call.body, dict) else {}
    properties = body.get("properties") or {}
    if call.operation.full_name in {"compute:snapshots.create_or_update", "compute:disks.create_or_update"}:
        data = properties.get("creationData") or {}
        source = data.get("sourceResourceId")
        if source and call.rule("rights.linked_access"):
            found.append((f"{arm.kind(source)}/beginGetAccess/action", source))
    if call.operation.full_name == "netapp:volumes.create_or_update" and call.rule("rights.linked_access"):
        subnet = properties.get("subnetId")
        if subnet:
            found.append(("Microsoft.Network/virtualNetworks/subnets/join/action", subnet))
    return found


def _permissions(definition: dict[str, Any]) -> list[dict[str, Any]]:
    """The permissions of a role definition in any of its three written forms."""
    inner = definition.get("properties", definition)
    if "permissions" in inner:
        return inner["permissions"]
    lower = {name[:1].lower() + name[1:]: value for name, value in inner.items()}
    if "permissions" in lower:
        return lower["permissions"]
    if "actions" not in lower:
        raise ValueError("a role definition has permissions, or actions")
    return [lower]


def check_definition(definition: dict[str, Any]) -> None:
    """Raises ValueError for what is no role definition."""
    for permission in _permissions(definition):
        for action in [*permission.get("actions", []), *permission.get("notActions", [])]:
            if not isinstance(action, str) or not (action == "*" or "/" in action):
                raise ValueError(f"{action!r} is no action")


def _matches(patterns: list[str], action: str) -> bool:
    return any(fnmatchcase(action.lower(), pattern.lower()) for pattern in patterns)


def granted(principal: Principal, scope: str) -> list[dict[str, Any]]:
    """The permissions that a principal has at a scope by its assignments; everything when it has no roles set."""
    if principal.roles is None:
        return [{"actions": ["*"], "notActions": []}]
    at = arm.key(scope)
    return [
        permission
        for role in principal.roles
        if at == arm.key(role.get("scope", "/")) or at.startswith(arm.key(role.get("scope", "/")) + "/")
        for permission in _permissions(role["definition"])
    ]


def allowed(principal: Principal, action: str, scope: str) -> bool:
    """Whether a principal may do this; what one role takes from itself another may give."""
    if _matches(principal.deny, action):
        return False
    return any(
        _matches(permission.get("actions", []), action) and not _matches(permission.get("notActions", []), action)
        for permission in granted(principal, scope)
    )


def check(principal: Principal, needed: list[Need]) -> None:
    """Raises Fault for the first action that the principal may not do."""
    for index, (action, scope) in enumerate(needed):
        if allowed(principal, action, scope):
            continue
        who = f"The client '{principal.client_id}' with object id '{principal.object_id}'"
        if index == 0:
            raise Fault(
                "AuthorizationFailed",
                f"{who} does not have authorization to perform action '{action}' over scope '{scope}' or the scope is "
                "invalid. If access was recently granted, please refresh your credentials.",
            )
        raise Fault(
            "LinkedAuthorizationFailed",
            f"{who} has permission to perform action '{needed[0][0]}' on scope '{needed[0][1]}'; however, it does not "
            f"have permission to perform action(s) '{action}' on the linked scope(s) '{scope}'.",
        )


_HOURLY = {"reads": "throttle.reads_per_hour", "writes": "throttle.writes_per_hour",
           "deletes": "throttle.deletes_per_hour"}  # fmt: skip
_STORAGE = {"reads": ("throttle.storage_reads", 300), "lists": ("throttle.storage_lists", 300),
            "writes": ("throttle.storage_writes", 3600)}  # fmt: skip


def throttle(world: World, principal: Principal, scope: str, method: str) -> dict[str, str]:
    """Counts a call against its principal's hour, and says what is left of it.

    Raises Fault when nothing is.
    """
    word = "reads" if method in {"GET", "HEAD"} else ("deletes" if method == "DELETE" else "writes")
    limit = world.rules[_HOURLY[word]]
    spent, wait = _spend(world, (principal.client_id, arm.subscription(scope), word), limit, 3600)
    if wait:
        raise Fault("SubscriptionRequestsThrottled", f"Number of {word} exceeded the limit of {limit} per hour. Please "
                    f"try again after {wait} seconds.", retry_after=wait)  # fmt: skip
    return {f"x-ms-ratelimit-remaining-subscription-{word}": str(limit - spent)}


def throttle_storage(call: Call) -> None:
    """Counts a call against what the provider of storage accounts bears, whoever calls.

    Raises Fault when nothing is left.
    """
    if call.operation.service != "storage":
        return
    word = "writes" if call.operation.method != "GET" else ("lists" if call.operation.outcome.listed else "reads")
    rule, window = _STORAGE[word]
    key = ("storage", arm.subscription(call.resource_id), word)
    _, wait = _spend(call.world, key, call.rule(rule), window)
    if wait:
        told = f"The request is being throttled as the limit has been reached for operation type - {word}."
        raise Fault("TooManyRequests", told, retry_after=wait)


def _spend(world: World, key: tuple[str, str, str], limit: int, window: float) -> tuple[int, int]:
    """Counts a call in a window of time; gives the count, and the seconds to wait when it is one too many."""
    spent = world.requests.setdefault(key, [])
    spent[:] = [at for at in spent if at > world.now - window]
    if len(spent) >= limit:
        return len(spent), max(1, math.ceil(spent[0] + window - world.now))
    spent.append(world.now)
    return len(spent), 0
