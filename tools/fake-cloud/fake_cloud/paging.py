"""Tokens that stand for a place in a list."""

from __future__ import annotations

import base64


def token(place: int) -> str:
    """The token of a place."""
    return base64.urlsafe_b64encode(f"at:{place}".encode()).decode()


def place(text: str | None) -> int:
    """The place of a token; the first for none.

    Raises ValueError for a token that was never given out.
    """
    if not text:
        return 0
    word, _, number = base64.urlsafe_b64decode(text.encode()).decode().partition(":")
    if word != "at" or not number.isdigit():
        raise ValueError("no token of a place")
    return int(number)
