"""What a client looks around by: all resources by their tags, providers, and the SKUs of disks."""

from __future__ import annotations

import re
from typing import Any

from .. import arm, paging
from ..arm import Resource
from ..errors import Fault
from ..registry import operation
from ..world import Call, Reply

_TERM = re.compile(r"\s*(\w+) eq '((?:[^']|'')*)'\s*")
_TAGS = {"tagName", "tagValue"}
_OTHERS = {"resourceType", "name", "location", "resourceGroup"}
_SKUS = {"Standard_LRS": 3, "StandardSSD_LRS": 3, "StandardSSD_ZRS": 0, "Premium_LRS": 3, "Premium_ZRS": 0,
         "PremiumV2_LRS": 3, "UltraSSD_LRS": 3}  # fmt: skip


def _filter(call: Call) -> dict[str, str]:
    """The terms of a filter; tags cannot be asked for together with anything else.

    Raises Fault for what Azure does not filter by.
    """
    found = {}
    for part in re.split(r"\s+and\s+", call.query.get("$filter") or ""):
        term = _TERM.fullmatch(part)
        if part and (term is None or term[1] not in _TAGS | _OTHERS):
            raise Fault("InvalidFilterInQueryString", f"Invalid $filter '{call.query['$filter']}' specified.")
        if term:
            found[term[1]] = term[2].replace("''", "'")
    if _TAGS & set(found) and _OTHERS & set(found):
        raise Fault("InvalidFilterInQueryString", "Tags cannot be filtered together with other members.")
    return found


def _long_name(resource: Resource) -> str:
    """The names of a nested resource and of all above it."""
    return "/".join(resource.id.rpartition("/providers/")[2].split("/")[2::2])


def _fits(resource: Resource, terms: dict[str, str]) -> bool:
    if "tagName" in terms:
        tags = {name.lower(): value for name, value in resource.tags.items()}
        value = tags.get(terms["tagName"].lower())
        return value is not None and terms.get("tagValue") in {None, value}
    told = {"resourceType": resource.kind, "name": _long_name(resource), "location": resource.location,
            "resourceGroup": arm.group(resource.id)}  # fmt: skip
    return all(told[name].lower() == value.lower() for name, value in terms.items())


@operation("resources", "resources.list", "resources.list_by_resource_group")
def list_resources(call: Call) -> Reply:
    """All resources that have a place, nested ones too, without their properties."""
    terms, scope = _filter(call), arm.key(call.resource_id).removesuffix("/resources")
    if "/resourcegroups/" in scope:
        call.need(scope, "ResourceGroupNotFound")
    ready = call.now - call.rule("list.lag_seconds")
    found = []
    for each in call.world.resources.values():
        inside = each.key.startswith(f"{scope}/") and "/providers/" in each.key and "location" in each.body
        if inside and each.created <= ready and _fits(each, terms):
            shown = {"id": each.id, "name": _long_name(each), "type": each.kind, "location": each.location}
            found.append(shown | {name: each.body[name] for name in ("tags", "managedBy") if each.body.get(name)})
    size = int(call.query["$top"]) if "$top" in call.query else None
    return paging.page(call, found, size)


@operation("resources", "providers.get")
def provider(call: Call) -> Reply:
    """Whether the subscription is registered for a provider."""
    name = call.path["resourceProviderNamespace"]
    subscription = call.world.subscriptions[call.path["subscriptionId"].lower()]
    missing = name.lower() in {each.lower() for each in subscription.unregistered}
    return Reply({"id": call.resource_id, "namespace": name, "registrationPolicy": "RegistrationRequired",
                  "registrationState": "NotRegistered" if missing else "Registered", "resourceTypes": []})  # fmt: skip


@operation("compute", "resource_skus.list")
def skus(call: Call) -> Reply:
    """The SKUs of disks by region, with their zones; what a subscription may not have is restricted."""
    subscription = call.world.subscriptions[call.path["subscriptionId"].lower()]
    wanted = _TERM.fullmatch(call.query.get("$filter") or "")
    if call.query.get("$filter") and (wanted is None or wanted[1] != "location"):
        raise Fault("InvalidFilterInQueryString", "SKUs are filtered by location only.")
    found: list[dict[str, Any]] = []
    for location in subscription.locations:
        if wanted and wanted[2].lower() != location.lower():
            continue
        for name, zones in _SKUS.items():
            info = {"location": location, "zones": [str(zone) for zone in range(1, zones + 1)]}
            restrictions = [{"type": "Location", "values": [location], "reasonCode": "NotAvailableForSubscription",
                             "restrictionInfo": {"locations": [location]}}]  # fmt: skip
            found.append({
                "resourceType": "disks", "name": name, "tier": name.partition("_")[0], "locations": [location],
                "locationInfo": [info], "restrictions": restrictions if name in subscription.restricted else [],
            })  # fmt: skip
    return paging.page(call, found)
