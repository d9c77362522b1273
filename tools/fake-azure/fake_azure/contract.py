"""Requests and answers held to the SDK's models."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, unquote

from fake_cloud.request import Request

from . import paging, validation
from .models import Operation

_SIMPLE = {"str": str, "int": int, "bool": bool}


def decode(operation: Operation, raw: dict[str, str], request: Request) -> tuple[Any, dict[str, str], list[str]]:
    """The body and the query of a request, and what is wrong with them and with its path."""
    query, errors = _query(operation, request)
    for name, limits in operation.builder.limits.items():
        value = unquote(raw.get(name, ""))
        if len(value) > limits.get("max_length", 10**6) or len(value) < limits.get("min_length", 0):
            errors.append(f"{name} in the path has {len(value)} characters")
    body, found = _body(operation, request)
    return body, query, errors + found


def _query(operation: Operation, request: Request) -> tuple[dict[str, str], list[str]]:
    pairs = parse_qsl(request.query, keep_blank_values=True)
    query, errors = dict(pairs), []
    known = set(operation.builder.query)
    if operation.method == "GET":
        known |= set(paging.TOKENS)
    errors += [f"unexpected query key {name}" for name in query if name not in known]
    errors += [f"query key {name} is missing" for name in sorted(operation.builder.required - set(query))]
    if len(pairs) != len(query):
        errors.append("a query key is there twice")
    for name, kind in operation.builder.query.items():
        if kind == "bool" and query.get(name, "true").lower() not in {"true", "false"}:
            errors.append(f"{name} is no bool")
        elif kind == "int" and not query.get(name, "0").lstrip("-").isdigit():
            errors.append(f"{name} is no int")
    version = query.get("api-version")
    if version is not None and version != operation.builder.version:
        errors.append(f"api-version {version} is not {operation.builder.version}, which this contract is read from")
    return query, errors


def _body(operation: Operation, request: Request) -> tuple[Any, list[str]]:
    model = operation.model(operation.outcome.body)
    if model is None:
        return None, ["a body that is none of this operation's"] if request.body else []
    if not request.body:
        return None, ["the body is missing"] if operation.outcome.body_required else []
    if not request.header("content-type").startswith("application/json"):
        return None, [f"the content type is {request.header('content-type')!r}"]
    try:
        body = json.loads(request.body)
    except ValueError as error:
        return None, [f"the body is no JSON: {error}"]
    return body, validation.faults(body, model, required=operation.method != "PATCH")


def answer_faults(operation: Operation, status: int, body: Any) -> list[str]:
    """What is wrong with an answer."""
    errors = []
    if status not in operation.outcome.statuses:
        errors.append(f"status {status}, where the client takes {operation.outcome.statuses}")
    model = operation.model(operation.outcome.result)
    if model is None:
        return errors
    if body is None:
        return errors if status in {202, 204} else [*errors, "a body is missing"]
    if operation.outcome.listed:
        extra = sorted(set(body) - {"value", "nextLink"})
        errors += [f"{name} is unknown in a list" for name in extra]
        return errors + validation.faults(body.get("value"), model.listed(), answer=True)
    return errors + validation.faults(body, model, answer=True)


def error_faults(operation: Operation, body: Any) -> list[str]:
    """What is wrong with an error's body."""
    model = operation.model(operation.outcome.error)
    return validation.faults(body, model, answer=True) if model else []
