"""Signature version 4, checked in full: scope, time, headers, body and signature."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from fake_cloud.request import Request

from .errors import Fault

_HEADER = re.compile(
    r"^AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request,\s*"
    r"SignedHeaders=([^,]+),\s*Signature=([0-9a-f]{64})$"
)


@dataclass(frozen=True)
class Scope:
    """Who signed, and for what."""

    access_key: str
    day: str
    region: str
    service: str
    headers: tuple[str, ...]
    signature: str


def scope(request: Request) -> Scope:
    """The scope that the Authorization header names.

    Raises Fault when there is none that could be read.
    """
    header = request.header("authorization")
    if not header:
        raise Fault("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
    found = _HEADER.match(header)
    if not found:
        raise Fault("IncompleteSignature", "the Authorization header is not of signature version 4", 403)
    access_key, day, region, service, headers, signature = found.groups()
    return Scope(access_key, day, region, service, tuple(headers.split(";")), signature)


def check(request: Request, named: Scope, secret: str, skew: float, now: float) -> None:
    """Compares the signature with one's own, and its time with the server's clock.

    Raises Fault when they differ.
    """
    sent = request.header("x-amz-date")
    try:
        at = datetime.strptime(sent, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise Fault("IncompleteSignature", "no x-amz-date header", 403) from None
    if sent[:8] != named.day:
        raise _mismatch("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date")
    if abs(now - at) > skew:
        raise _mismatch(f"Signature expired: {sent} is not within {skew:.0f} seconds of the current time")
    missing = {"host", "x-amz-date"} - set(named.headers)
    if missing:
        raise _mismatch(f"these headers must be signed: {', '.join(sorted(missing))}")
    text = "\n".join(["AWS4-HMAC-SHA256", sent, f"{named.day}/{named.region}/{named.service}/aws4_request",
                      hashlib.sha256(_canonical(request, named).encode()).hexdigest()])  # fmt: skip
    key = f"AWS4{secret}".encode()
    for part in (named.day, named.region, named.service, "aws4_request", text):
        key = hmac.digest(key, part.encode(), "sha256")
    if not hmac.compare_digest(key.hex(), named.signature):
        raise _mismatch("The request signature we calculated does not match the signature you provided.")


def _mismatch(message: str) -> Fault:
    return Fault("InvalidSignatureException", message, 403)


def _canonical(request: Request, named: Scope) -> str:
    pairs = []
    for part in filter(None, request.query.split("&")):
        name, _, value = part.partition("=")
        pairs.append((_encode(name), _encode(value)))
    query = "&".join(f"{name}={value}" for name, value in sorted(pairs))
    headers = "".join(f"{name}:{' '.join(request.header(name).split())}\n" for name in named.headers)
    path = quote(request.path or "/", safe="/~")
    return "\n".join([request.method, path, query, headers, ";".join(named.headers), _payload(request)])


def _encode(text: str) -> str:
    return quote(unquote(text.replace("+", "%20")), safe="-_.~")


def _payload(request: Request) -> str:
    told = request.header("x-amz-content-sha256")
    real = hashlib.sha256(request.body).hexdigest()
    if not told or told == real:
        return real
    if told in {"UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}:
        return told
    raise _mismatch("The provided 'x-amz-content-sha256' header does not match what was computed.")
