"""The garbage collector that many a subscription runs: it deletes what nobody tagged."""

from __future__ import annotations

from typing import Any

from .arm import Resource
from .services import disks, netapp, shares, snapshots
from .world import World

_DEFAULTS: dict[str, Any] = {
    "after_seconds": 900, "every_seconds": 60, "keep_tag": "keep", "kinds": [disks.KIND, netapp.VOLUME, shares.KIND],
}  # fmt: skip
_KINDS = {disks.KIND, netapp.VOLUME, shares.KIND, snapshots.KIND}


def start(world: World, given: dict[str, Any]) -> None:
    """Deletes, every so often, each new disk, volume and share that still has not the tag; a share's is metadata.

    What the scenario itself put there is left alone.
    """
    strange = sorted(set(given) - set(_DEFAULTS)) + sorted(set(given.get("kinds", [])) - _KINDS)
    if strange:
        raise ValueError(f"unknown in garbage_collector: {', '.join(strange)}")
    settings = {**_DEFAULTS, **given}
    spared = set(world.resources)

    def tags(resource: Resource) -> dict[str, str]:
        return resource.properties.get("metadata") or {} if resource.kind == shares.KIND else resource.tags

    def sweep() -> None:
        for key in [key for key in world.resources if key not in spared]:
            resource = world.resources[key]
            old = world.now - resource.created >= settings["after_seconds"]
            if resource.kind in settings["kinds"] and old and settings["keep_tag"] not in tags(resource):
                world.remove(resource.id)
                world.event("garbage collected", resource=resource.id)
        world.clock.after(settings["every_seconds"], sweep)

    world.clock.after(settings["every_seconds"], sweep)
