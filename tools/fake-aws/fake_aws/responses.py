"""Answers that are odd on purpose."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from fake_cloud.faults import rewritten
from fake_cloud.request import Request
from moto.core.model import OperationModel

from . import paging
from .models import Service

# Lists that botocore has no paginator for.
_LISTS = {
    "ListSnapshotBlocks": ("NextToken", "NextToken", "Blocks"),
    "ListChangedBlocks": ("NextToken", "NextToken", "ChangedBlocks"),
}


def action(request: Request) -> str:
    """The Action of a query request; empty for all others."""
    if "x-www-form-urlencoded" not in request.header("content-type"):
        return parse_qs(request.query).get("Action", [""])[0]
    return parse_qs(request.body.decode("utf-8", "replace")).get("Action", [""])[0]


def _list(its: Service, operation: OperationModel) -> tuple[str, str, str]:
    if operation.name in _LISTS:
        return _LISTS[operation.name]
    if operation.name not in its.paginators:
        raise ValueError(f"{operation.name} has no pages")
    config = its.paginators[operation.name]
    first = [value[0] if isinstance(value, list) else value for value in
             (config["input_token"], config["output_token"], config["result_key"])]  # fmt: skip
    return first[0], first[1], first[2]


def empty_page(its: Service, operation: OperationModel, params: dict[str, Any]) -> dict[str, Any]:
    """No items and a token that goes on where this page should have begun."""
    sent, told, items = _list(its, operation)
    return {items: [], told: params.get(sent) or paging.token(0)}


def changed(its: Service, operation: OperationModel, result: dict[str, Any], fault: dict[str, Any]) -> dict[str, Any]:
    """The result as a fault of this kind leaves it; the same when it is of another kind."""
    if fault["kind"] == "duplicate_item":
        items = _list(its, operation)[2]
        if result.get(items):
            return {**result, items: [result[items][0], *result[items]]}
    return rewritten(result, fault["set"]) if fault["kind"] == "rewrite" else result
