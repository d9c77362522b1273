"""EC2: filters, tags at birth and pages, the same for every kind of thing."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from .. import paging
from ..errors import Fault
from ..world import Call

Thing = TypeVar("Thing")
Fields = dict[str, Callable[[Any], str]]

_TAGS_MAXIMUM = 50


def chosen(things: list[Thing], filters: list[dict[str, Any]] | None, fields: Fields) -> list[Thing]:
    """The things that pass all filters; the values of one filter are alternatives, with `*` and `?`.

    Raises Fault for a filter that does not exist.
    """
    for each in filters or []:
        name, values = each["Name"], each.get("Values", [])
        if name.startswith("tag:"):
            key = name[4:]
            things = [thing for thing in things if key in _tags(thing) and _fits(_tags(thing)[key], values)]
        elif name == "tag-key":
            things = [thing for thing in things if any(_fits(key, values) for key in _tags(thing))]
        elif name in fields:
            things = [thing for thing in things if _fits(fields[name](thing), values)]
        else:
            raise Fault("InvalidParameterValue", f"The filter '{name}' is invalid")
    return things


def _tags(thing: Any) -> dict[str, str]:
    return thing["tags"] if isinstance(thing, dict) else thing.tags


def _fits(value: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in patterns)


def born_with(params: dict[str, Any], kind: str) -> dict[str, str]:
    """The tags that TagSpecifications give to things of a kind.

    Raises Fault for a specification of another kind.
    """
    tags: dict[str, str] = {}
    for each in params.get("TagSpecifications", []):
        if each.get("ResourceType") != kind:
            raise Fault("InvalidParameterValue", f"'{each.get('ResourceType')}' is not a valid taggable resource here.")
        tags.update({tag["Key"]: tag.get("Value", "") for tag in each.get("Tags", [])})
    check_tags(tags)
    return tags


def check_tags(tags: dict[str, str]) -> None:
    """Refuses tags that EC2 refuses.

    Raises Fault.
    """
    if len(tags) > _TAGS_MAXIMUM:
        raise Fault("TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
    for key, value in tags.items():
        if key.startswith("aws:"):
            raise Fault("InvalidParameterValue", f"Tag keys starting with 'aws:' are reserved: {key}")
        if not 1 <= len(key) <= 128 or len(value) > 256:
            raise Fault("InvalidParameterValue", f"Tag {key!r} has more than 128 characters, its value more than 256")


def shown_tags(tags: dict[str, str]) -> list[dict[str, str]] | None:
    """Tags as EC2 lists them."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())] or None


def paged(things: list[Thing], params: dict[str, Any], smallest: int = 5) -> tuple[list[Thing], str | None]:
    """One page; without MaxResults everything."""
    size = params.get("MaxResults")
    if size is not None and size < smallest:
        raise Fault("InvalidParameterValue", f"Value ( {size} ) for parameter maxResults is invalid.")
    return paging.page(things, params.get("NextToken"), size, max(1, len(things)), "InvalidNextToken")


def settled(call: Call, created: float) -> bool:
    """Whether a new thing is found by now."""
    return call.now - created >= call.rule("ec2.describe_lag_seconds")
