"""Deterministic names: the same seed and the same calls give the same ids."""

from __future__ import annotations

import hashlib
import uuid


class Ids:
    """Counts per kind, so that one more call of another kind changes nothing."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._counts: dict[str, int] = {}

    def _digest(self, kind: str) -> str:
        count = self._counts.get(kind, 0)
        self._counts[kind] = count + 1
        return hashlib.sha256(f"{self._seed}/{kind}/{count}".encode()).hexdigest()

    def hex(self, kind: str) -> str:
        """An id such as `snap-0123456789abcdef0`."""
        return f"{kind}-0{self._digest(kind)[:16]}"

    def uuid(self, kind: str) -> str:
        """An id of a job or recovery point."""
        return str(uuid.UUID(self._digest(kind)[:32], version=4))

    def upper(self, kind: str) -> str:
        """A job id in capitals, as AWS Backup writes restore job ids."""
        return self.uuid(kind).upper()
