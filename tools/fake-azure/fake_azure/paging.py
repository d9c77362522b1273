"""Pages of a list, by links that stand for a place in it."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote, urlencode

from .errors import Fault
from .world import Call, Reply

TOKENS = ("$skiptoken", "$skipToken")


def token(offset: int) -> str:
    """The token of a place."""
    return base64.urlsafe_b64encode(f"at:{offset}".encode()).decode()


def offset(call: Call) -> int:
    """The place that a request asks for.

    Raises Fault for a token that was never given out.
    """
    text = next((call.query[name] for name in TOKENS if call.query.get(name)), None)
    if text is None:
        return 0
    try:
        word, _, number = base64.urlsafe_b64decode(text.encode()).decode().partition(":")
        if word == "at":
            return int(number)
    except ValueError:
        pass
    raise Fault("InvalidSkipToken", "The skip token is not valid.")


def link(call: Call, place: int) -> str:
    """The link to a place: the same request with its token."""
    kept = {name: value for name, value in call.query.items() if name not in TOKENS}
    return f"{call.base}{call.entry['path']}?{urlencode(kept, quote_via=quote)}&$skiptoken={quote(token(place))}"


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
