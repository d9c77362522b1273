"""Pages of a list, by tokens that stand for a place in it."""

from __future__ import annotations

from typing import Any, TypeVar

from fake_cloud.paging import place, token

from .errors import Fault

Item = TypeVar("Item")


def offset(text: str | None, code: str = "InvalidParameterValueException") -> int:
    """The place of a token.

    Raises Fault with `code` for one that was never given out.
    """
    try:
        return place(text)
    except ValueError:
        raise Fault(code, "The pagination token is not valid.") from None


def page(
    items: list[Item], text: str | None, size: int | None, default: int, code: str = "InvalidParameterValueException"
) -> tuple[list[Item], str | None]:
    """One page, and the token of the next."""
    start = offset(text, code)
    end = start + (size or default)
    return items[start:end], token(end) if end < len(items) else None


def filled(result: dict[str, Any]) -> dict[str, Any]:
    """A result without its empty members."""
    return {name: value for name, value in result.items() if value is not None}
