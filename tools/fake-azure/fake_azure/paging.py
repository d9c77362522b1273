"""Pages of a list, by links that stand for a place in it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from fake_cloud.paging import place, token

from .errors import Fault
from .world import Call, Reply

TOKENS = ("$skiptoken", "$skipToken")


def offset(call: Call) -> int:
    """The place that a request asks for.

    Raises Fault for a token that was never given out.
    """
    try:
        return place(next((call.query[name] for name in TOKENS if call.query.get(name)), None))
    except ValueError:
        raise Fault("InvalidSkipToken", "The skip token is not valid.") from None


def link(call: Call, start: int) -> str:
    """The link to a place: the same request with its token."""
    kept = {name: value for name, value in call.query.items() if name not in TOKENS}
    return f"{call.base}{call.entry['path']}?{urlencode(kept, quote_via=quote)}&$skiptoken={quote(token(start))}"


def page(call: Call, items: list[Any], size: int | None = None) -> Reply:
    """One page, and the link to the next."""
    start = offset(call)
    end = start + (size or call.rule("page.size"))
    body: dict[str, Any] = {"value": items[start:end]}
    if end < len(items):
        body["nextLink"] = link(call, end)
    return Reply(body)


def empty(call: Call) -> Reply:
    """No items, and a link that goes on where this page should have begun."""
    return Reply({"value": [], "nextLink": link(call, offset(call))})
