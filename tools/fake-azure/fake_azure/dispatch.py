"""The way of a request: token, contract, rights, faults, handler, contract again."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

from fake_cloud import dispatch
from fake_cloud.journal import readable
from fake_cloud.request import Answer, Request

from . import access, arm, contract, models, paging, polling, responses, services, tokens
from .errors import Fault
from .models import Operation
from .registry import HANDLERS, named
from .world import Call, Principal, Reply, Work, World

services.load()


class Dispatcher(dispatch.Dispatcher):
    """Answers the requests of Azure's clients from one world."""

    request_id = "x-ms-request-id"

    def failed(self, entry: dict[str, Any]) -> Answer:
        """Azure's answer when it has failed itself."""
        return _error(Fault("InternalServerError", "the fake failed"))

    def refusal(self, fault: dict[str, Any]) -> Fault:
        """The refusal that a fault asks for."""
        if fault["kind"] == "http":
            return Fault("InternalServerError", "out of order", fault["status"])
        return Fault(
            fault["code"], fault.get("message", "injected"), fault.get("status"), target=fault.get("target"),
            details=fault.get("details"), retry_after=fault.get("retry_after"),
        )  # fmt: skip

    def handle(self, request: Request, entry: dict[str, Any]) -> Answer:
        """Answers a request of a client of Azure."""
        base = f"http://{request.header('host')}"
        token, poll = tokens.takes(request), polling.takes(request.path)
        if token:
            entry["operation"] = token
            return self._special(
                entry, {token, "token"}, lambda: tokens.answer(self.world, request, token, entry, base)
            )
        if poll:
            entry["operation"], entry["actions"] = "poll", [polling.action(poll)]
            entry["params"] = polling.params(self.world, poll)
            return self._special(entry, {"poll"}, lambda: self._poll(request, poll, entry))
        return self._operation(request, entry, base)

    def _special(self, entry: dict[str, Any], names: set[str], run: Any) -> Answer:
        """A request that is none of the models' operations, faults included."""
        faults = self.world.faults.take(names, entry.get("params", {}))
        try:
            self.before(faults, entry)
            answer = run()
        except Fault as fault:
            entry["outcome"] = fault.code
            return _error(fault)
        for fault in faults:
            if answer.body:
                answer.body = json.dumps(responses.changed(json.loads(answer.body), fault)).encode()
        return answer

    def _poll(self, request: Request, match: Any, entry: dict[str, Any]) -> Answer:
        principal = tokens.bearer(self.world, request, entry)
        scope = f"/subscriptions/{match[1]}"
        left = access.throttle(self.world, principal, scope, "GET")
        if self.world.rules["rights.polling"]:
            access.check(principal, [(polling.action(match), scope)])
        try:
            answer = polling.answer(self.world, request, match)
        except Fault as fault:
            if fault.code == "InvalidPollUrl":
                self.world.journal.violate(entry, "request", [fault.message])
            raise
        answer.headers.update(left)
        entry["outcome"] = "ok"
        return answer

    def _operation(self, request: Request, entry: dict[str, Any], base: str) -> Answer:
        found = None
        for service in models.of_path(request.path):
            match = service.find(request.method, request.path)
            if match:
                found = (service.name, *match)
        if found is None:
            what = f"{request.method} {request.path} is no operation of Azure's that the models know"
            self.world.journal.violate(entry, "request", [what])
            entry["outcome"] = "UnknownOperation"
            return _error(Fault("UnknownOperation", what))
        name, builder, raw = found
        handled = named(name, builder)
        if handled is None:
            entry["operation"], entry["outcome"] = builder, "NotImplemented"
            self.world.journal.violate(entry, "fake", [f"{name}:{builder} is not modelled"])
            return _error(Fault("NotImplemented", f"the fake has no {name}:{builder}"))
        operation = models.service(name).operation(handled)
        entry["operation"], entry["service"] = operation.name, name
        try:
            return self._handle(operation, raw, request, entry, base)
        except Fault as fault:
            entry["outcome"] = fault.code
            return self._refuse(operation, fault, entry)

    def _handle(
        self, operation: Operation, raw: dict[str, str], request: Request, entry: dict[str, Any], base: str
    ) -> Answer:
        world = self.world
        principal = tokens.bearer(world, request, entry)
        body, query, errors = contract.decode(operation, raw, request)
        path = {name: unquote(value) for name, value in raw.items()}
        entry["params"] = readable({**path, **query, **({"body": body} if body is not None else {})})
        at = _resource_id(request.path, operation)
        call = Call(world, operation, path, query, body, principal, base, at, request.headers, entry)
        if errors:
            world.journal.violate(entry, "request", errors)
            raise Fault("InvalidRequestContent", "; ".join(errors))
        needed = access.needs(call)
        entry["actions"], entry["resources"] = [need[0] for need in needed], [need[1] for need in needed]
        faults = world.faults.take({operation.name, operation.full_name}, entry["params"])
        self.before(faults, entry)
        left = access.throttle(world, principal, call.resource_id, operation.method)
        _exist(world, principal, call)
        access.throttle_storage(call)
        access.check(principal, needed)
        _unlocked(call)
        empty = [fault for fault in faults if fault["kind"] == "empty_page"]
        reply = paging.empty(call) if empty else HANDLERS[operation.service, operation.name](call)
        return self._encode(call, reply, faults, left)

    def _encode(self, call: Call, reply: Reply | Work, faults: list[dict[str, Any]], headers: dict[str, str]) -> Answer:
        told = call.operation.outcome.statuses
        if isinstance(reply, Work):
            status, more, body = polling.begin(call, reply, faults)
        else:
            status = reply.status or (200 if 200 in told else told[0])
            body, more = reply.body, reply.headers
        errors = contract.answer_faults(call.operation, status, body)
        if errors:
            self.world.journal.violate(call.entry, "response", errors)
        for fault in faults:
            body = responses.changed(body, fault)
        call.entry["outcome"] = "ok"
        raw = b"" if body is None else json.dumps(body).encode()
        return Answer(status, {"Content-Type": "application/json; charset=utf-8", **headers, **more}, raw)

    def _refuse(self, operation: Operation, fault: Fault, entry: dict[str, Any]) -> Answer:
        if fault.code == "NotImplemented":
            self.world.journal.violate(entry, "fake", [fault.message])
        errors = contract.error_faults(operation, {"error": fault.body()})
        if errors:
            self.world.journal.violate(entry, "error", errors)
        return _error(fault)


def _error(fault: Fault) -> Answer:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    if fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    if fault.status == 401:
        told = f'error="invalid_token", error_description="{fault.message}"'
        headers["WWW-Authenticate"] = f'Bearer authorization_uri="https://login.windows.net/", {told}'
    return Answer(fault.status, headers, json.dumps({"error": fault.body()}).encode())


def _resource_id(path: str, operation: Operation) -> str:
    """The id of what a request is about: for a list what the list is below, for an action what is acted on."""
    whole = unquote(path).rstrip("/")
    _, found, rest = operation.builder.template.rpartition("/providers/")
    if not found or rest.startswith("{") or len(rest.split("/")) % 2:
        return whole
    above = whole.rpartition("/")[0]
    head, provider, last = above.rpartition("/providers/")
    return head if provider and "/" not in last else above


def _exist(world: World, principal: Principal, call: Call) -> None:
    """Raises Fault when the subscription or the resource group does not exist, or is another tenant's."""
    named = arm.subscription(call.resource_id)
    subscription = world.subscriptions.get(named)
    if named and (subscription is None or subscription.tenant != principal.tenant):
        raise Fault("SubscriptionNotFound", f"The subscription '{named}' could not be found.")
    group = arm.group(call.resource_id)
    alone = call.operation.service == "resources"
    if group and not alone and world.find(f"/subscriptions/{named}/resourceGroups/{group}") is None:
        raise Fault("ResourceGroupNotFound", f"Resource group '{group}' could not be found.")
    namespace = "" if alone else arm.kind(call.resource_id).partition("/")[0]
    if subscription and namespace.lower() in {each.lower() for each in subscription.unregistered}:
        told = f"The subscription is not registered to use namespace '{namespace}'."
        raise Fault("MissingSubscriptionRegistration", told, 409)
    if subscription and subscription.state != "Enabled" and call.operation.method not in {"GET", "HEAD"}:
        raise Fault("ReadOnlyDisabledSubscription", f"The subscription '{named}' is disabled and read only.", 409)


def _unlocked(call: Call) -> None:
    """Raises Fault when a lock at or above the resource forbids the call."""
    method, target = call.operation.method, arm.key(call.resource_id)
    if method not in {"PUT", "PATCH", "POST", "DELETE"}:
        return
    for lock in call.world.resources.values():
        scope = lock.key.partition("/providers/microsoft.authorization/locks/")[0]
        if lock.kind != "Microsoft.Authorization/locks" or not (target == scope or target.startswith(f"{scope}/")):
            continue
        if method == "DELETE" or lock.properties["level"] == "ReadOnly":
            raise Fault(
                "ScopeLocked",
                f"The scope '{call.resource_id}' cannot perform {method.lower()} operation because following scope(s) "
                f"are locked: '{scope}'. Please remove the lock and try again.",
            )
