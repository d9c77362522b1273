"""The tags of one resource, changed without a call to its own provider: https://learn.microsoft.com/rest/api/resources/tags."""

from __future__ import annotations

from ..arm import Resource
from ..errors import Fault
from ..registry import operation
from ..world import Call, Reply

_TAGS = "/providers/microsoft.resources/tags/"
_MOST = 50


def _tagged(call: Call) -> Resource:
    """The resource whose tags are asked for; what has metadata or nothing at all has no tags.

    Raises Fault for those, and for what does not exist.
    """
    at = call.resource_id.lower().rindex(_TAGS)
    resource = call.need(call.resource_id[:at])
    if "location" not in resource.body:
        raise Fault("ResourceTypeNotSupported", f"The resource type '{resource.kind}' does not support tags.", 400)
    return resource


def _shown(resource: Resource) -> Reply:
    told = f"{resource.id}/providers/Microsoft.Resources/tags/default"
    return Reply({"id": told, "name": "default", "type": "Microsoft.Resources/tags",
                  "properties": {"tags": resource.tags}}, 200)  # fmt: skip


@operation("resources", "tags.get_at_scope")
def get(call: Call) -> Reply:
    """All tags of a resource."""
    return _shown(_tagged(call))


@operation("resources", "tags.update_at_scope")
def patch(call: Call) -> Reply:
    """Merges tags into those of a resource, removes those that have the values given, or puts them in place of all."""
    resource, asked = _tagged(call), (call.body.get("properties") or {}).get("tags") or {}
    has = {name.lower(): (name, value) for name, value in resource.tags.items()}
    how = call.body.get("operation")
    if how == "Delete":
        for name, value in asked.items():
            # A name without a value stands for any.
            if name.lower() in has and value in {"", has[name.lower()][1]}:
                del has[name.lower()]
    elif how in {"Merge", "Replace"}:
        kept = has if how == "Merge" else {}
        # The name stays as it was written first.
        has = kept | {name.lower(): (kept.get(name.lower(), (name,))[0], value) for name, value in asked.items()}
    else:
        raise Fault("InvalidTagsPatchOperation", "The operation is Replace, Merge or Delete.", 400)
    if len(has) > _MOST:
        raise Fault("InvalidTagCount", f"A resource has {_MOST} tags at most.", 400)
    resource.body["tags"] = dict(has.values())
    return _shown(resource)
