"""The garbage collector that many an account runs: it deletes what nobody tagged."""

from __future__ import annotations

from typing import Any

from .world import World

_DEFAULTS: dict[str, Any] = {
    "after_seconds": 900, "every_seconds": 60, "keep_tag": "keep", "kinds": ["volumes", "file_systems"],
}  # fmt: skip


def start(world: World, given: dict[str, Any]) -> None:
    """Deletes, every so often, each new volume and file system that still has not the tag.

    What the scenario itself put there is left alone.
    """
    strange = sorted(set(given) - set(_DEFAULTS))
    if strange:
        raise ValueError(f"unknown in garbage_collector: {', '.join(strange)}")
    settings = {**_DEFAULTS, **given}
    spared = {name for region in world.regions.values() for name in (*region.volumes, *region.file_systems)}

    def sweep() -> None:
        for region in world.regions.values():
            for kind in settings["kinds"]:
                things = getattr(region, kind)
                for name in [name for name in things if name not in spared]:
                    thing = things[name]
                    old = world.now - thing.created >= settings["after_seconds"]
                    if old and settings["keep_tag"] not in thing.tags:
                        del things[name]
                        world.journal.event(world.now, "garbage collected", resource=name)
        world.clock.after(settings["every_seconds"], sweep)

    world.clock.after(settings["every_seconds"], sweep)
