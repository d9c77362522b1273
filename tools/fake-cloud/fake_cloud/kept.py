"""What is slow to read out of a cloud's packages, kept for the next start beside the packages."""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from typing import Any

# How many answers are kept: those of several states of the source, which stand in several work trees.
_MAXIMUM = 64


def folder() -> str | None:
    """Where answers are kept: in the virtual environment; nowhere when the interpreter is the system's own."""
    return os.path.join(sys.prefix, "kept") if sys.prefix != sys.base_prefix else None


def key(packages: str, names: Iterable[str], *sources: Any) -> str:
    """What an answer depends on: versions of packages, the names asked for, and the modules that read.

    `packages` is how the packages' names begin.
    """
    known = hashlib.sha256(repr((sys.version_info, _installed(packages), sorted(names))).encode())
    for module in sources:
        with open(module, "rb") as file:
            known.update(file.read())
    return known.hexdigest()


def _installed(beginning: str) -> list[str]:
    """The packages with their versions, as the names of their folders tell them."""
    places = [place for place in sys.path if place.endswith("-packages") and os.path.isdir(place)]
    return sorted(name for place in places for name in os.listdir(place)
                  if name.startswith(beginning) and name.endswith(".dist-info"))  # fmt: skip


def kept(name: str, known: str, read: Callable[[], Any], place: str | None = None) -> Any:
    """The answer of `read`, which is plain data, or what it answered before under the same key.

    Many may start at once, and the folder may be missing or not be writable: then everybody reads.
    """
    place = place or folder()
    if place is None:
        return read()
    path = os.path.join(place, f"{name}-{known[:32]}")
    try:
        with open(path, "rb") as file:
            checksum, data = file.read(32), file.read()
        if hashlib.sha256(data).digest() == checksum:
            return marshal.loads(data)
    except OSError:
        pass
    answer = read()
    with contextlib.suppress(OSError):
        _keep(place, path, marshal.dumps(answer))
    return answer


def _keep(place: str, path: str, data: bytes) -> None:
    """Renamed into place, so that nobody reads one half."""
    os.makedirs(place, exist_ok=True)
    handle, fresh = tempfile.mkstemp(dir=place)
    try:
        os.fchmod(handle, 0o644)
        with open(handle, "wb") as file:
            file.write(hashlib.sha256(data).digest() + data)
        os.replace(fresh, path)
    except OSError:
        os.unlink(fresh)
        raise
    older = sorted(os.scandir(place), key=lambda each: each.stat().st_mtime, reverse=True)[_MAXIMUM:]
    for each in older:
        os.unlink(each.path)
