"""The token endpoints: managed identity of a machine and of an App Service, and client credentials; and bearers."""

from __future__ import annotations

import json
import re
import time
from typing import Any
from urllib.parse import parse_qs

from fake_cloud.request import Answer, Request

from .errors import Fault
from .world import Principal, Token, World

IMDS = "/metadata/identity/oauth2/token"
APP_SERVICE = "/msi/token"
_OAUTH = re.compile(r"^/([^/]+)/oauth2/v2\.0/token$")
_OPENID = re.compile(r"^/([^/]+)/v2\.0/\.well-known/openid-configuration$")
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
AUDIENCES = {"https://management.azure.com", "https://storage.azure.com", "https://management.core.windows.net"}


class Refused(Exception):
    """A token endpoint says no."""

    def __init__(self, error: str, description: str, status: int = 400, *, violation: bool = False) -> None:
        super().__init__(description)
        self.error, self.description, self.status, self.violation = error, description, status, violation


def takes(request: Request) -> str | None:
    """The name of the token endpoint that a request is for."""
    if request.path == IMDS:
        return "token.imds"
    if request.path == APP_SERVICE:
        return "token.app_service"
    if _OAUTH.match(request.path):
        return "token.oauth"
    return "token.openid" if _OPENID.match(request.path) else None


def answer(world: World, request: Request, name: str, entry: dict[str, Any], base: str) -> Answer:
    """Gives a token, or says why not."""
    query = {key: values[0] for key, values in parse_qs(request.query).items()}
    try:
        if name == "token.imds":
            body = _imds(world, request, query)
        elif name == "token.app_service":
            body = _app_service(world, request, query)
        elif name == "token.oauth":
            body = _oauth(world, request, entry)
        else:
            tenant = _OPENID.match(request.path)[1]  # type: ignore[index]
            body = {"token_endpoint": f"{base}/{tenant}/oauth2/v2.0/token", "issuer": f"{base}/{tenant}/v2.0",
                    "authorization_endpoint": f"{base}/{tenant}/oauth2/v2.0/authorize",
                    "tenant_region_scope": None, "jwks_uri": f"{base}/{tenant}/discovery/v2.0/keys"}  # fmt: skip
    except Refused as refused:
        if refused.violation:
            world.journal.violate(entry, "auth", [refused.description])
        entry["outcome"] = refused.error
        told = {"error": refused.error, "error_description": refused.description}
        return _json(refused.status, told)
    entry["outcome"] = "ok"
    entry["principal"] = body.get("client_id", entry.get("principal"))
    return _json(200, body)


def _json(status: int, body: Any) -> Answer:
    return Answer(status, {"Content-Type": "application/json; charset=utf-8"}, json.dumps(body).encode())


def _give(world: World, principal: Principal, resource: str, seconds: int) -> Token:
    audience = resource.rstrip("/").lower()
    if audience not in AUDIENCES:
        raise Refused("invalid_resource", f"AADSTS500011: The resource principal named {resource} was not found.",
                      violation=True)  # fmt: skip
    seconds = principal.token_seconds or seconds
    token = Token(f"fake.{world.ids.uuid('token')}", principal.client_id, audience, world.now + seconds)
    world.tokens[token.text] = token
    return token


def _expires_on(world: World, token: Token) -> str:
    """The expiry by the client's own clock, which knows nothing of virtual time."""
    return str(int(time.time() + world.skew + token.expires - world.now))


def _managed(world: World, query: dict[str, str]) -> Principal:
    named = query.get("client_id")
    for principal in world.principals.values():
        if principal.managed and named in {None, principal.client_id}:
            return principal
    raise Refused("invalid_request", "Identity not found")


def _imds(world: World, request: Request, query: dict[str, str]) -> dict[str, Any]:
    if request.header("metadata").lower() != "true":
        raise Refused("invalid_request", "Required metadata header not specified", violation=True)
    if request.header("x-forwarded-for"):
        raise Refused("invalid_request", "requests must not pass a proxy", violation=True)
    if not query.get("api-version"):
        raise Refused("invalid_request", "api-version is missing", violation=True)
    if not query.get("resource"):
        raise Refused("invalid_request", "Required audience parameter not specified", violation=True)
    principal = _managed(world, query)
    token = _give(world, principal, query["resource"], world.rules["token.managed_seconds"])
    seconds = str(int(token.expires - world.now))
    return {"access_token": token.text, "client_id": principal.client_id, "expires_in": seconds,
            "expires_on": _expires_on(world, token), "ext_expires_in": seconds, "not_before": str(int(time.time())),
            "resource": query["resource"], "token_type": "Bearer"}  # fmt: skip


def _app_service(world: World, request: Request, query: dict[str, str]) -> dict[str, Any]:
    if not query.get("resource") or query.get("api-version") != "2019-08-01":
        raise Refused("invalid_request", "resource, and api-version 2019-08-01, are needed", violation=True)
    principal = _managed(world, query)
    if request.header("x-identity-header") != principal.identity_header:
        raise Refused("unauthorized", "X-IDENTITY-HEADER is not the one of this machine", 401)
    token = _give(world, principal, query["resource"], world.rules["token.managed_seconds"])
    return {"access_token": token.text, "expires_on": _expires_on(world, token), "resource": query["resource"],
            "token_type": "Bearer", "client_id": principal.client_id}  # fmt: skip


def _oauth(world: World, request: Request, entry: dict[str, Any]) -> dict[str, Any]:
    if request.method != "POST" or "x-www-form-urlencoded" not in request.header("content-type"):
        raise Refused("invalid_request", "AADSTS900144: a form must be posted", violation=True)
    form = {key: values[0] for key, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
    tenant = _OAUTH.match(request.path)[1]  # type: ignore[index]
    entry["principal"] = form.get("client_id")
    if form.get("grant_type") != "client_credentials":
        raise Refused("unsupported_grant_type", "AADSTS70003: only client_credentials", violation=True)
    principal = world.principals.get(form.get("client_id", ""))
    if principal is None:
        raise Refused("unauthorized_client", "AADSTS700016: Application was not found in the directory.")
    if tenant.lower() != principal.tenant.lower():
        raise Refused("invalid_request", f"AADSTS90002: Tenant '{tenant}' not found.")
    scope = form.get("scope", "")
    if not scope.endswith("/.default"):
        raise Refused("invalid_scope", f"AADSTS1002012: the scope {scope!r} does not end /.default", violation=True)
    if "client_assertion" in form:
        if form.get("client_assertion_type") != _ASSERTION:
            raise Refused("invalid_request", "AADSTS900144: client_assertion_type is missing or wrong", violation=True)
        if form["client_assertion"] not in principal.assertions:
            raise Refused("invalid_client", "AADSTS700024: Client assertion is not within its valid time range.", 401)
    elif not principal.secret or form.get("client_secret") != principal.secret:
        raise Refused("invalid_client", "AADSTS7000215: Invalid client secret provided.", 401)
    token = _give(world, principal, scope[: -len("/.default")], world.rules["token.seconds"])
    seconds = int(token.expires - world.now)
    return {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token.text}


def bearer(world: World, request: Request, entry: dict[str, Any]) -> Principal:
    """Whose token a request carries.

    Raises Fault when it carries none that is good for Azure Resource Manager.
    """
    scheme, _, text = request.header("authorization").partition(" ")
    if scheme.lower() != "bearer" or not text:
        world.journal.violate(entry, "auth", ["no bearer token"])
        raise Fault("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
    token = world.tokens.get(text)
    if token is None:
        world.journal.violate(entry, "auth", ["a bearer token that was never given out"])
        raise Fault("InvalidAuthenticationToken", "The access token is invalid.")
    entry["principal"] = token.principal
    if token.audience not in AUDIENCES - {"https://storage.azure.com"}:
        world.journal.violate(entry, "auth", [f"a token for {token.audience}, which is another audience"])
        raise Fault("InvalidAuthenticationTokenAudience", f"The access token has been obtained for wrong audience or "
                    f"resource '{token.audience}'.")  # fmt: skip
    if world.now >= token.expires:
        raise Fault("ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time.")
    return world.principals[token.principal]
