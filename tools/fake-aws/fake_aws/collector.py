"""The garbage collector: new volumes and file systems without the tag go."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from fake_cloud import collector

from .world import World


def start(world: World, given: dict[str, Any]) -> None:
    """Deletes, every so often, each new volume and file system that still has not the tag."""

    def find(kind: str) -> Iterator[collector.Found]:
        for region in world.regions.values():
            things = getattr(region, kind)
            for name, each in things.items():
                yield collector.Found(name, each.created, each.tags, functools.partial(things.pop, name))

    collector.start(world, given, ["volumes", "file_systems"], set(), find)
