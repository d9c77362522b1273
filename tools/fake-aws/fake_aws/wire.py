"""Requests to parameters and results to answers, in each of the four protocols."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

import botocore.parsers
import botocore.serialize
from botocore.model import Shape
from botocore.utils import parse_timestamp
from fake_cloud.clock import stamp
from fake_cloud.request import Answer, Request
from moto.core.model import OperationModel
from moto.core.parse import UNDEFINED, EC2QueryParser, QueryParser
from moto.core.serialize import EC2Serializer, JSONSerializer, QuerySerializer, RestJSONSerializer, SerializationContext

from .errors import SERVER_SIDE, Fault
from .models import Service

_SERIALIZERS = {"rest-json": RestJSONSerializer, "json": JSONSerializer, "query": QuerySerializer, "ec2": EC2Serializer}
_PARSERS = {"query": QueryParser, "ec2": EC2QueryParser}


class Headers(dict[str, str]):
    """Headers as botocore's parsers look them up: whatever their case."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__({name.lower(): value for name, value in headers.items()})

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).lower())

    def __getitem__(self, name: str) -> str:
        return super().__getitem__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        """A header's value."""
        return super().get(name.lower(), default)


class Unreadable(Exception):
    """What stands in the request cannot be taken for the operation's parameters."""


def decode(
    service: Service, operation: OperationModel, path: dict[str, str], request: Request
) -> tuple[dict[str, Any], list[str]]:
    """The parameters as they were sent, by the model's member names, and what else was sent that has no place."""
    if service.protocol in _PARSERS:
        return _decode_query(service, operation, request)
    if service.protocol == "json":
        return members(_json(request.body), operation.input_shape), []
    return _decode_rest(operation, path, request)


def _json(body: bytes) -> Any:
    if not body:
        return {}
    try:
        value = json.loads(body)
    except ValueError as error:
        raise Unreadable(f"the body is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise Unreadable("the body is no JSON object")
    return value


def members(value: Any, shape: Shape | None) -> Any:
    """Names of the wire to names of the model; what the model does not know stays and is found by validation."""
    if shape is None:
        return value
    if shape.type_name == "structure" and isinstance(value, dict):
        names = {member.serialization.get("name", name): name for name, member in shape.members.items()}
        pairs = ((names.get(key, key), item) for key, item in value.items())
        return {name: members(item, shape.members.get(name)) for name, item in pairs}
    if shape.type_name == "list" and isinstance(value, list):
        return [members(item, shape.member) for item in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: members(item, shape.value) for key, item in value.items()}
    return value


def _decode_rest(operation: OperationModel, path: dict[str, str], request: Request) -> tuple[dict[str, Any], list[str]]:
    shape = operation.input_shape
    if shape is None:
        return {}, [f"unexpected query key {key}" for key, _ in parse_qsl(request.query, keep_blank_values=True)]
    payload = shape.serialization.get("payload")
    located = {name: member for name, member in shape.members.items() if "location" in member.serialization}
    params: dict[str, Any] = {}
    if payload is not None:
        blob = shape.members[payload].type_name in {"blob", "string"}
        params[payload] = request.body if blob else members(_json(request.body), shape.members[payload])
    elif len(located) < len(shape.members) or request.body:
        body = members(_json(request.body), shape)
        misplaced = sorted(set(body) & set(located))
        if misplaced:
            raise Unreadable(f"{', '.join(misplaced)} in the body, where it has no place")
        params.update(body)
    sent = parse_qsl(request.query, keep_blank_values=True)
    known = set()
    for name, member in located.items():
        where, wire = member.serialization["location"], member.serialization.get("name", name)
        if where == "uri":
            params[name] = _scalar(unquote(path[wire]), member)
        elif where == "header" and wire.lower() in request.headers:
            params[name] = _scalar(request.header(wire), member)
        elif where == "querystring":
            known.add(wire)
            values = [value for key, value in sent if key == wire]
            if values and member.type_name == "list":
                params[name] = [_scalar(value, member.member) for value in values]
            elif len(values) > 1:
                raise Unreadable(f"query key {wire} is given {len(values)} times")
            elif values:
                params[name] = _scalar(values[0], member)
    return params, sorted({f"unexpected query key {key}" for key, _ in sent if key not in known})


def _scalar(text: str, shape: Shape) -> Any:
    """A value of path, query or header in the type of the model; the text itself when it has not the form."""
    try:
        if shape.type_name in {"integer", "long"}:
            return int(text)
        if shape.type_name in {"float", "double"}:
            return float(text)
    except ValueError:
        return text
    if shape.type_name == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text


def _decode_query(service: Service, operation: OperationModel, request: Request) -> tuple[dict[str, Any], list[str]]:
    pairs = parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True)
    pairs += parse_qsl(request.query, keep_blank_values=True)
    sent = dict(pairs)
    strange = [] if len(sent) == len(pairs) else ["a query key is given more than once"]
    version = service.metadata["apiVersion"]
    if sent.get("Version") != version:
        strange.append(f"Version is {sent.get('Version')!r}, not {version!r}")
    if operation.input_shape is None:
        return {}, strange
    try:
        parser = _PARSERS[service.protocol](operation, timestamp_parser=str)
        parsed = parser.parse({"values": sent})  # type: ignore[typeddict-item]
    except (ValueError, KeyError, TypeError) as error:
        raise Unreadable(f"a query value has not the form of its type: {error}") from None
    params = {} if parsed is UNDEFINED or parsed is None else dict(parsed)
    # What the parser did not understand does not come out again on the way back.
    again = botocore.serialize.create_serializer(service.protocol, include_validation=False)
    understood = set(again.serialize_to_request(params, operation)["body"])
    strange += sorted(f"unexpected query key {key}" for key in set(sent) - understood - {"Action", "Version"})
    return params, strange


def typed(value: Any, shape: Shape | None) -> Any:
    """Validated parameters with times as seconds and blobs as bytes."""
    if shape is None:
        return value
    kind = shape.type_name
    if kind == "structure":
        return {name: typed(item, shape.members[name]) for name, item in value.items() if name in shape.members}
    if kind == "list":
        return [typed(item, shape.member) for item in value]
    if kind == "map":
        return {key: typed(item, shape.value) for key, item in value.items()}
    if kind == "timestamp":
        return parse_timestamp(value).timestamp()
    if kind == "blob" and isinstance(value, str):
        try:
            return base64.b64decode(value, validate=True)
        except binascii.Error:
            raise Unreadable("a blob is no base64") from None
    return value


def times(value: Any, shape: Shape | None) -> Any:
    """A handler's result with its seconds as times, and without what is `None`."""
    if shape is None or value is None:
        return value
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        kept = {name: item for name, item in value.items() if item is not None}
        return {name: times(item, shape.members.get(name)) for name, item in kept.items()}
    if kind == "list":
        return [times(item, shape.member) for item in value]
    if kind == "map":
        return {key: times(item, shape.value) for key, item in value.items()}
    if kind == "timestamp" and isinstance(value, (int, float)):
        return stamp(value)
    return value


def encode(service: Service, operation: OperationModel, result: dict[str, Any], request_id: str) -> Answer:
    """A result in the operation's wire format."""
    serializer = _SERIALIZERS[service.protocol](operation, context=SerializationContext(request_id))
    sent = serializer.serialize(result)
    body = sent["body"]
    raw = body if isinstance(body, bytes) else (body or "").encode()
    headers = {name: str(value) for name, value in sent["headers"].items()}
    headers["x-amzn-RequestId"] = request_id
    if service.protocol == "json":
        headers["Content-Type"] = "application/x-amz-json-1.1"
    return Answer(int(sent["status_code"]), headers, raw)


def lost(service: Service, operation: OperationModel, result: dict[str, Any], answer: Answer) -> list[str]:
    """What botocore's own parser does not find in an encoded answer although the result has it."""
    shape = operation.output_shape
    if shape is None or "payload" in shape.serialization:
        return []
    response = {"status_code": answer.status, "headers": Headers(answer.headers), "body": answer.body}
    parsed = botocore.parsers.create_parser(service.protocol).parse(response, shape)
    found = []
    for name, value in result.items():
        if isinstance(value, (list, dict)) and len(value) != len(parsed.get(name, ())):
            found.append(f"{name} has {len(value)} entries, and {len(parsed.get(name, ()))} after the wire")
        elif not isinstance(value, (list, dict)) and name not in parsed:
            found.append(f"{name} is lost on the wire")
    return found


def error_shape(operation: OperationModel, code: str) -> Shape | None:
    """The operation's own shape of this error."""
    for shape in operation.error_shapes:
        if code in {shape.name, shape.metadata.get("error", {}).get("code")}:
            return shape
    return None


def encode_error(service: Service, operation: OperationModel | None, fault: Fault, request_id: str) -> Answer:
    """A refusal as this service words it."""
    shape = error_shape(operation, fault.code) if operation else None
    modelled = shape.metadata.get("error", {}).get("httpStatusCode") if shape else None
    status = fault.status or modelled or (500 if fault.code in SERVER_SIDE else 400)
    headers = {"x-amzn-RequestId": request_id}
    side = "Server" if status >= 500 else "Client"
    if service.protocol in {"query", "ec2"}:
        code = shape.metadata.get("error", {}).get("code", fault.code) if shape else fault.code
        inner = f"<Code>{escape(code)}</Code><Message>{escape(fault.message)}</Message>"
        if service.protocol == "ec2":
            text = f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>{request_id}</RequestID></Response>"
        else:
            kind = "Receiver" if status >= 500 else "Sender"
            text = (
                f"<ErrorResponse><Error><Type>{kind}</Type>{inner}</Error>"
                f"<RequestId>{request_id}</RequestId></ErrorResponse>"
            )
        headers["Content-Type"] = "text/xml"
        return Answer(status, headers, f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode())
    body: dict[str, Any] = {"Message": fault.message, **fault.fields}
    if service.name == "backup":
        body = {"Code": "ERROR_1000", "Type": side, **body}
    if service.name == "elasticfilesystem" and "ErrorCode" not in body:
        body["ErrorCode"] = fault.code
    if service.protocol == "json":
        body = {"__type": fault.code, **body}
        headers["Content-Type"] = "application/x-amz-json-1.1"
    else:
        headers["Content-Type"] = "application/json"
    headers["x-amzn-errortype"] = fault.code
    return Answer(status, headers, json.dumps(body).encode())
