"""What AWS answered, held against its own models and against this fake.

`python -m fake_aws.heard LIVE FAKE` reads two journals that the provider's example `live` wrote, one of a real account and
one of this fake, and prints what the fake would have to learn: answers that the models do not know, operations and errors
that only AWS has, and fields that only one of the two answers with. It ends with 1 where there is anything.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import botocore.parsers
from botocore.model import Shape
from fake_cloud.request import Request
from moto.core.model import OperationModel

from . import responses, validation, wire
from .models import SERVICES, Service, service

_SUCCESS = range(200, 300)


@dataclass
class Heard:
    """What was heard of one operation."""

    fields: set[str] = field(default_factory=set)
    errors: set[str] = field(default_factory=set)
    successes: int = 0


def read(lines: Iterable[str]) -> tuple[dict[str, Heard], list[str]]:
    """The operations of a journal, and what in it is not as the models have it. Lines that tell steps are passed over."""
    heard: dict[str, Heard] = {}
    strange: list[str] = []
    for line in lines:
        exchange = json.loads(line).get("wire")
        if exchange is None:
            continue
        its, operation = _operation(exchange)
        if its is None or operation is None:
            strange.append(f"{exchange['service']} {exchange['method']} {exchange['target']} is no operation of the models")
            continue
        one = heard.setdefault(f"{its.name}:{operation.name}", Heard())
        if exchange["status"] not in _SUCCESS:
            one.errors.add(_error(its, exchange))
            continue
        one.successes += 1
        fields, wrong = _answer(its, operation, exchange)
        one.fields |= fields
        strange += [f"{its.name}:{operation.name} answered: {each}" for each in wrong]
    return heard, sorted(set(strange))


def differences(live: dict[str, Heard], fake: dict[str, Heard]) -> list[str]:
    """What AWS does and the fake does not, and the other way round. Of what one of them was not asked nothing is said."""
    found = []
    for name in sorted(live.keys() & fake.keys()):
        told, known = live[name], fake[name]
        found += [f"{name}: only AWS has the error {code}" for code in sorted(told.errors - known.errors)]
        if told.successes and known.successes:
            found += [f"{name}: only AWS answers {path}" for path in sorted(told.fields - known.fields)]
            found += [f"{name}: only the fake answers {path}" for path in sorted(known.fields - told.fields)]
    found += [f"{name}: the fake was not asked for it" for name in sorted(live.keys() - fake.keys())]
    return found


def _operation(exchange: dict[str, Any]) -> tuple[Service | None, OperationModel | None]:
    if exchange["service"] not in SERVICES:
        return None, None
    its = service(exchange["service"])
    path, _, query = exchange["target"].partition("?")
    form = {"content-type": "application/x-www-form-urlencoded"}
    request = Request(exchange["method"], path, query, form, exchange["request"].encode())
    action = responses.action(request) if its.protocol in {"query", "ec2"} else ""
    found = its.find(request.method, path, exchange.get("operation") or "", action)
    return its, found[0] if found else None


def _response(exchange: dict[str, Any]) -> dict[str, Any]:
    return {"status_code": exchange["status"], "headers": wire.Headers({}), "body": exchange["response"].encode()}


def _error(its: Service, exchange: dict[str, Any]) -> str:
    told = exchange.get("error")
    if told is None:
        parsed = botocore.parsers.create_parser(its.protocol).parse(_response(exchange), None)
        told = parsed.get("Error", {}).get("Code", "")
    return f"{exchange['status']} {told.partition(':')[0].rpartition('#')[2]}"


def _answer(its: Service, operation: OperationModel, exchange: dict[str, Any]) -> tuple[set[str], list[str]]:
    shape = operation.output_shape
    if shape is None:
        return set(), []
    parsed = botocore.parsers.create_parser(its.protocol).parse(_response(exchange), shape)
    parsed.pop("ResponseMetadata", None)
    wrong = validation.faults(parsed, shape, answer=True)
    if its.protocol in {"rest-json", "json"} and "payload" not in shape.serialization:
        sent = wire.members(json.loads(exchange["response"] or "{}"), shape)
        wrong += [f"{name} is not in the model" for name in sorted(set(sent) - set(shape.members))]
    return set(_paths(parsed, shape, "")), wrong


def _paths(value: Any, shape: Shape, at: str) -> Iterable[str]:
    """Each field that says something, by its place; entries of lists and maps are not told apart."""
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, item in value.items():
            if name in shape.members:
                yield from _paths(item, shape.members[name], f"{at}.{name}" if at else name)
    elif shape.type_name == "list" and isinstance(value, (list, tuple)):
        for item in value:
            yield from _paths(item, shape.member, f"{at}[]")
    elif value is not None:
        yield at


def main(arguments: list[str]) -> int:
    """Prints what the fake would have to learn."""
    if len(arguments) != 2:
        print("usage: python -m fake_aws.heard LIVE FAKE", file=sys.stderr)
        return 2
    journals = []
    for path in arguments:
        with open(path, encoding="utf-8") as file:
            journals.append(read(file))
    (live, strange), (fake, _) = journals
    found = strange + differences(live, fake)
    for line in found:
        print(line)
    print(f"{sum(one.successes for one in live.values())} answers of {len(live)} operations, {len(found)} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
