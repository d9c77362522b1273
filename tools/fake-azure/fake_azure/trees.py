"""Real directories for shares and volumes, so that files can be written, snapshotted and copied out of snapshots."""

from __future__ import annotations

import shutil
from pathlib import Path

from .arm import Resource
from .world import World


def share_snapshot(time: str) -> str:
    """The directory of a share's snapshot, where a mounted NFS share shows it."""
    return f".snapshots/{time}"


def volume_snapshot(name: str) -> str:
    """The directory of a volume's snapshot, where a mounted volume shows it."""
    return f".snapshot/{name}"


def place(world: World, resource: Resource) -> Path | None:
    """The directory of a share or volume; `None` when the scenario has no trees."""
    return None if world.trees is None else world.trees / resource.name


def make(world: World, resource: Resource, content: Path | None = None) -> None:
    """An empty directory, or one with the content of another."""
    where = place(world, resource)
    if where is None:
        return
    where.mkdir(parents=True, exist_ok=True)
    if content is not None and content.is_dir():
        _copy(content, where)


def snapshot(world: World, resource: Resource, name: str) -> None:
    """Keeps what is there now."""
    where = place(world, resource)
    if where is None:
        return
    (where / name).mkdir(parents=True)
    _copy(where, where / name)


def forget(world: World, resource: Resource, name: str) -> None:
    """A snapshot goes."""
    where = place(world, resource)
    if where is not None and (where / name).is_dir():
        shutil.rmtree(where / name)


def remove(world: World, resource: Resource) -> None:
    """A share or volume goes."""
    where = place(world, resource)
    if where is not None and where.is_dir():
        shutil.rmtree(where)


def _copy(source: Path, target: Path) -> None:
    for each in source.iterdir():
        if each.name in {".snapshot", ".snapshots"}:
            continue
        if each.is_dir() and not each.is_symlink():
            shutil.copytree(each, target / each.name, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy2(each, target / each.name, follow_symlinks=False)
