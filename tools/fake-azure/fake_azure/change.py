"""Changes that happen to a subscription from outside: users write, administrators change their minds."""

from __future__ import annotations

from typing import Any

from fake_cloud.scenario import only, put

from . import access, estate
from .arm import Resource
from .services import dataprotection, netapp, recovery
from .world import World


def _resource(world: World, resource_id: str) -> Resource:
    found = world.find(resource_id)
    if found is None:
        raise ValueError(f"there is no {resource_id}")
    return found


def write(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Writes to a disk, share, volume or container: its content is another then, and larger by `bytes`."""
    only(body, {"resource", "bytes", "content"}, "write")
    resource = _resource(world, body["resource"])
    if "content" not in resource.hidden or resource.kind.endswith("napshots"):
        raise ValueError(f"nobody writes to {resource.kind}")
    resource.hidden["generation"] += 1
    resource.hidden["content"] = body.get("content", f"{resource.name}@{resource.hidden['generation']}")
    name = "used_bytes" if resource.kind == netapp.VOLUME else "bytes"
    resource.hidden[name] = resource.hidden.get(name, 0) + body.get("bytes", 0)
    return {"content": resource.hidden["content"]}


def foreign_job(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Starts a backup job of somebody else, of a policy by default, on a backup instance or protected item."""
    only(body, {"item", "user"}, "foreign-job")
    item = _resource(world, body["item"])
    user = body.get("user", False)
    if item.kind == dataprotection.INSTANCE:
        return {"job": dataprotection.start_backup(world, item, user=user).id}
    if item.kind == recovery.ITEM:
        return {"job": recovery.start_backup(world, item, user=user).id}
    raise ValueError(f"no jobs run on {item.kind}")


def settle(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Sets fields: of a principal, a subscription or a resource; places and lifts locks; changes rules."""
    if "principal" in body:
        return _principal(world, body)
    if "subscription" in body:
        only(body, {"subscription", "set"}, "set")
        return put(world.subscriptions[body["subscription"].lower()], body["set"])
    if isinstance(body.get("lock"), dict):
        given = body["lock"]
        only(given, {"scope", "name", "level", "notes"}, "lock")
        return {"id": estate.lock(world, given["scope"], given.get("name", "lock"), given.get("level", "CanNotDelete"))}
    if "rules" in body:
        world.rules.change(body["rules"])
        return dict(body["rules"])
    if "resource" in body:
        resource = _resource(world, body["resource"])
        if body.get("remove"):
            world.remove(resource.id)
            return {}
        for path, value in body["set"].items():
            _member(resource, path.split("."), value)
        return resource.view()
    raise ValueError("say what to set")


def _principal(world: World, body: dict[str, Any]) -> dict[str, Any]:
    only(body, {"principal", "set", "expire_tokens"}, "set")
    principal = world.principals[body["principal"]]
    for role in (body.get("set") or {}).get("roles") or []:
        access.check_definition(role["definition"])
    if body.get("expire_tokens"):
        for token in world.tokens.values():
            if token.principal == principal.client_id:
                token.expires = world.now
    return put(principal, body.get("set", {}))


def _member(resource: Resource, path: list[str], value: Any) -> None:
    """Sets one member of what GET shows or, below `hidden`, of what the fake alone knows."""
    target: Any = resource.hidden if path[0] == "hidden" else resource.body
    names = path[1:] if path[0] == "hidden" else path
    for name in names[:-1]:
        target = target.setdefault(name, {})
    if value is None:
        target.pop(names[-1], None)
    else:
        target[names[-1]] = value
