"""The garbage collector: new disks, volumes and shares without the tag go; a share's tags are its metadata."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from fake_cloud import collector

from .services import disks, netapp, shares, snapshots
from .world import World


def start(world: World, given: dict[str, Any]) -> None:
    """Deletes, every so often, each new disk, volume and share that still has not the tag; snapshots if asked to."""

    def find(kind: str) -> Iterator[collector.Found]:
        for each in world.resources.values():
            if each.kind == kind:
                tags = each.properties.get("metadata") or {} if kind == shares.KIND else each.tags
                yield collector.Found(each.id, each.created, tags, functools.partial(world.remove, each.id))

    collector.start(world, given, [disks.KIND, netapp.VOLUME, shares.KIND], {snapshots.KIND}, find)
