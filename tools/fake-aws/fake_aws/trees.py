"""Real directories behind the file systems, when a scenario wants them (`trees`).

A backup of a file system in use is a mixture: here one half of its files is read when the job starts, the other when
it completes.
"""

from __future__ import annotations

import os
import shutil
import zlib
from pathlib import Path

from .entities import FileSystem, RecoveryPoint
from .world import World


def capture(world: World, system: FileSystem, point: RecoveryPoint, half: int) -> None:
    """Copies one half of the files, and all directories, into the recovery point's own tree."""
    if world.trees is None:
        return
    source = world.trees / system.id
    target = world.trees / ".points" / point.arn.rsplit(":", 1)[-1]
    point.tree = str(target)
    for folder, _, names in os.walk(source):
        place = target / Path(folder).relative_to(source)
        place.mkdir(parents=True, exist_ok=True)
        for name in names:
            path = Path(folder) / name
            if zlib.crc32(str(path.relative_to(source)).encode()) % 2 == half and (path.is_file() or path.is_symlink()):
                shutil.copy2(path, place / name, follow_symlinks=False)
    point.entries = sorted(entry.name for entry in source.iterdir())


def restore(world: World, system: FileSystem, point: RecoveryPoint, directory: str, items: list[str] | None) -> None:
    """Copies the point's tree, or the items of it, below a new directory of the file system."""
    system.entries = sorted([*system.entries, directory])
    if world.trees is None:
        return
    root = world.trees / system.id / directory
    root.mkdir(parents=True, exist_ok=True)
    if point.tree is None:
        return
    for item in items or ["/"]:
        source = Path(point.tree) / item.strip("/")
        if source.is_dir():
            shutil.copytree(source, root / item.strip("/"), symlinks=True, dirs_exist_ok=True)
        elif source.exists():
            (root / item.strip("/")).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, root / item.strip("/"))


def fragments(world: World, system: FileSystem) -> None:
    """Stray fragments of a restore, beside its directory."""
    system.entries = sorted({*system.entries, "aws-backup-lost+found"})
    if world.trees is not None:
        place = world.trees / system.id / "aws-backup-lost+found"
        place.mkdir(parents=True, exist_ok=True)
        (place / "fragment").write_bytes(b"?")


def discard(world: World, system: FileSystem) -> None:
    """A deleted file system's tree goes with it."""
    if world.trees is not None:
        shutil.rmtree(world.trees / system.id, ignore_errors=True)
