"""One request as it came over the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """Method, raw path and query, headers in lower case, and the whole body."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str:
        """A header's value; the empty string when it was not sent."""
        return self.headers.get(name.lower(), "")


@dataclass
class Answer:
    """Status, headers and body to be sent."""

    status: int
    headers: dict[str, str]
    body: bytes


class Cut(Exception):
    """The connection ends without an answer."""
