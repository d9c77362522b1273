"""The way of a request: signature, contract, rights, faults, handler, contract again."""

from __future__ import annotations

import time
from typing import Any

from botocore.model import Shape
from fake_cloud import dispatch
from fake_cloud.journal import readable
from fake_cloud.request import Answer, Request
from moto.core.model import OperationModel

from . import access, idempotency, responses, services, signature, validation, wire
from .errors import COMMON, EC2, QUERY, Fault
from .models import SERVICES, Service, service
from .registry import HANDLERS
from .signature import Scope
from .world import AccessKey, Call

services.load()


class Dispatcher(dispatch.Dispatcher):
    """Answers the requests of AWS clients from one world."""

    request_id = "x-amzn-RequestId"

    def handle(self, request: Request, entry: dict[str, Any]) -> Answer:
        """Answers a request of an AWS client."""
        try:
            scope = signature.scope(request)
        except Fault as fault:
            self.world.journal.violate(entry, "auth", [fault.message])
            entry["outcome"] = fault.code
            return wire.encode_error(service("backup"), None, fault, entry["request_id"])
        entry.update(service=scope.service, region=scope.region, access_key=scope.access_key)
        return self._operation(request, scope, entry)

    def failed(self, entry: dict[str, Any]) -> Answer:
        """AWS's answer when it has failed itself."""
        its = service(entry["service"] if entry.get("service") in SERVICES else "backup")
        return wire.encode_error(its, None, Fault("InternalFailure", "the fake failed", 500), entry["request_id"])

    def refusal(self, fault: dict[str, Any]) -> Fault:
        """The refusal that a fault asks for."""
        if fault["kind"] == "http":
            return Fault("InternalFailure", "out of order", fault["status"])
        return Fault(fault["code"], fault.get("message", "injected"), fault.get("status"), injected=True)

    def _operation(self, request: Request, scope: Scope, entry: dict[str, Any]) -> Answer:
        request_id = entry["request_id"]
        if scope.service not in SERVICES:
            return self._unknown(entry, f"a signature for service {scope.service!r}, which is not here")
        its = service(scope.service)
        action = responses.action(request)
        found = its.find(request.method, request.path, request.header("x-amz-target"), action)
        if found is None:
            what = f"{request.method} {request.path} {request.header('x-amz-target')}{action}".strip()
            return self._unknown(entry, f"{what} is no operation of {scope.service}")
        operation, path = found
        entry["operation"] = operation.name
        try:
            result = self._handle(its, operation, path, request, scope, entry)
            entry["outcome"] = "ok"
            answer = wire.encode(its, operation, result, request_id)
            missing = wire.lost(its, operation, result, answer)
            if missing:
                self.world.journal.violate(entry, "response", missing)
        except Fault as fault:
            entry["outcome"] = fault.code
            answer = self._refuse(its, operation, fault, entry)
        return answer

    def _unknown(self, entry: dict[str, Any], what: str) -> Answer:
        self.world.journal.violate(entry, "request", [what])
        entry["outcome"] = "UnknownOperationException"
        fault = Fault("UnknownOperationException", what, 404)
        return wire.encode_error(service("backup"), None, fault, entry["request_id"])

    def _handle(
        self, its: Service, operation: OperationModel, path: dict[str, str], request: Request, scope: Scope,
        entry: dict[str, Any],
    ) -> dict[str, Any]:  # fmt: skip
        key = self._caller(request, scope, entry)
        params = self._params(its, operation, path, request, entry)
        entry["params"] = readable(params)
        region = self.world.region(key.account, scope.region)
        needs = access.needs(its.name, operation.name, params, region)
        entry["actions"], entry["resources"] = [need[0] for need in needs], [need[1] for need in needs]
        names = {operation.name, f"{its.name}:{operation.name}"}
        faults = self.world.faults.take(names, params)
        self.before(faults, entry)
        for action, resource in needs:
            if action != "sts:GetCallerIdentity" and not access.allowed(key, action, resource, region):
                message = f"User: {key.arn} is not authorized to perform: {action} on resource: {resource}"
                raise access.denied(its.name, message)
        if its.name == "ec2" and params.get("DryRun"):
            raise Fault("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
        call = Call(self.world, region, key)
        handler = HANDLERS.get((its.name, operation.name))
        if handler is None:
            self.world.journal.violate(entry, "fake", [f"{its.name}:{operation.name} is not modelled"])
            raise Fault("NotImplemented", f"the fake has no {operation.name}", 501)
        empty = [fault for fault in faults if fault["kind"] == "empty_page"]
        if empty:
            result = responses.empty_page(its, operation, params)
        else:
            result = idempotency.once(call, its.name, operation.name, params, handler)
        result = wire.times(result, operation.output_shape)
        self._check(operation.output_shape, result, entry)
        for fault in faults:
            result = responses.changed(its, operation, result, fault)
        return result

    def _caller(self, request: Request, scope: Scope, entry: dict[str, Any]) -> AccessKey:
        world, journal = self.world, self.world.journal
        key = world.keys.get(scope.access_key)
        if key is None or request.header("x-amz-security-token") != (key.session_token or ""):
            raise access.refusal("stranger", scope.service, "The security token included in the request is invalid.")
        entry["account"] = key.account
        try:
            signature.check(request, scope, key.secret, world.rules["auth.skew_seconds"], time.time() + world.skew)
        except Fault as fault:
            journal.violate(entry, "auth", [fault.message])
            raise access.refusal("signature", scope.service, fault.message) from None
        regions = {region for account, region in world.regions if account == key.account}
        right = {"us-east-1"} if scope.service == "iam" else regions
        if scope.region not in right:
            journal.violate(entry, "auth", [f"signed for region {scope.region!r}, not for one of {sorted(right)}"])
            raise access.refusal("signature", scope.service, f"Credential should be scoped to a valid region, {right}")
        if key.expires is not None and world.now >= key.expires:
            raise access.refusal("expired", scope.service, "The security token included in the request is expired")
        return key

    def _params(
        self, its: Service, operation: OperationModel, path: dict[str, str], request: Request, entry: dict[str, Any]
    ) -> dict[str, Any]:
        shape = operation.input_shape
        try:
            sent, errors = wire.decode(its, operation, path, request)
            errors += validation.faults(sent, shape)
            params = {} if errors else wire.typed(sent, shape)
        except wire.Unreadable as error:
            errors = [str(error)]
        if errors:
            self.world.journal.violate(entry, "request", errors)
            raise access.refusal("invalid", its.name, "; ".join(errors))
        return params

    def _check(self, shape: Shape | None, result: dict[str, Any], entry: dict[str, Any]) -> None:
        errors = validation.faults(result, shape, answer=True)
        if errors:
            self.world.journal.violate(entry, "response", errors)

    def _refuse(self, its: Service, operation: OperationModel, fault: Fault, entry: dict[str, Any]) -> Answer:
        injected = fault.fields.pop("injected", False)
        known = {shape.name for shape in operation.error_shapes} | COMMON
        if its.protocol == "ec2":
            known |= EC2
        if its.protocol == "query":
            known |= QUERY
        errors = [] if injected or fault.code in known else [f"{fault.code} is no error of {operation.name}"]
        shape = wire.error_shape(operation, fault.code)
        if shape is not None and its.protocol in {"rest-json", "json"} and not injected:
            body = {name: value for name, value in fault.fields.items() if name in shape.members}
            if "ErrorCode" in shape.members:
                body.setdefault("ErrorCode", fault.code)
            errors += validation.faults(body, shape)
        if errors:
            self.world.journal.violate(entry, "error", errors)
        return wire.encode_error(its, operation, fault, entry["request_id"])
