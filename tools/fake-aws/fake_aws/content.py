"""What volumes and snapshots hold: sparse blocks of 512 KiB, generated or written."""

from __future__ import annotations

import base64
import hashlib

BLOCK = 524_288


class Block:
    """One block's bytes. A generated one costs no memory until it is read."""

    def __init__(self, seed: str | None = None, data: bytes | None = None) -> None:
        self._seed = seed
        self._data = data
        self._digest: bytes | None = None

    @property
    def data(self) -> bytes:
        """All 524,288 bytes."""
        if self._data is not None:
            return self._data
        return hashlib.shake_128((self._seed or "").encode()).digest(BLOCK)

    @property
    def digest(self) -> bytes:
        """SHA-256 of the bytes."""
        if self._digest is None:
            self._digest = hashlib.sha256(self.data).digest()
        return self._digest

    def same(self, other: Block | None) -> bool:
        """Whether both hold the same bytes."""
        return other is not None and (other is self or other.digest == self.digest)


Content = dict[int, Block]


def checksum(digest: bytes) -> str:
    """A digest as AWS writes it in headers."""
    return base64.b64encode(digest).decode()


def linear(blocks: list[Block]) -> str:
    """The LINEAR aggregate: SHA-256 over the digests in the order of the blocks."""
    return checksum(hashlib.sha256(b"".join(block.digest for block in blocks)).digest())
