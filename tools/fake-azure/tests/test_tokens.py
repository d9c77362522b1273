"""Tokens: where they come from, whom they are for, and when they end."""

from __future__ import annotations

import time
import urllib.parse

import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ManagedIdentityCredential
from conftest import CLIENT, DISK, workspace

SCOPE = "https://management.azure.com/.default"
IMDS = "/metadata/identity/oauth2/token"
RESOURCE = urllib.parse.quote("https://management.azure.com/", safe="")
GET = f"{DISK}?api-version=2026-03-02"


def test_the_identity_of_a_machine_is_read_by_the_sdk(fake, compute, monkeypatch):
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", fake.url)
    got = ManagedIdentityCredential().get_token(SCOPE)
    assert 86000 < got.expires_on - time.time() < 86500
    fake.bearer.token = got.token
    assert compute.disks.get("rg", "db").name == "db"
    assert fake.call("journal")[-1]["principal"] == CLIENT


def test_the_identity_of_an_app_service_is_read_by_the_sdk(fake, compute, monkeypatch):
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{fake.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "test")
    fake.bearer.token = ManagedIdentityCredential().get_token(SCOPE).token
    assert compute.disks.get("rg", "db").name == "db"
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    with pytest.raises(ClientAuthenticationError):
        ManagedIdentityCredential().get_token(SCOPE)


@pytest.mark.parametrize(("query", "headers", "word"), [
    (f"?api-version=2018-02-01&resource={RESOURCE}", {}, "metadata header"),
    (f"?resource={RESOURCE}", {"Metadata": "true"}, "api-version"),
    ("?api-version=2018-02-01", {"Metadata": "true"}, "audience"),
    (f"?api-version=2018-02-01&resource={RESOURCE}", {"Metadata": "true", "X-Forwarded-For": "1.2.3.4"}, "proxy"),
    ("?api-version=2018-02-01&resource=https%3A%2F%2Fexample.org", {"Metadata": "true"}, "AADSTS500011"),
])  # fmt: skip
def test_a_wrong_request_to_the_metadata_service_is_a_violation(fake, query, headers, word):
    status, _, body = fake.send("GET", IMDS + query, headers={**headers, "Authorization": ""})
    assert status == 400
    assert word in body["error_description"]
    fake.expected.add("token.imds")


def test_one_of_several_identities_is_named(fake):
    principals = {"one": {"managed": True}, "two": {"managed": True}, "three": {}}
    fake.call("reset", workspace(principals=principals))
    url = f"{IMDS}?api-version=2018-02-01&resource={RESOURCE}"
    headers = {"Metadata": "true", "Authorization": ""}
    assert fake.send("GET", f"{url}&client_id=two", headers=headers)[2]["client_id"] == "two"
    assert fake.send("GET", f"{url}&client_id=three", headers=headers)[0] == 400


def test_client_credentials_are_a_secret_or_an_assertion(fake):
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    status, _, body = fake.login(client_secret="", client_assertion="assertion", client_assertion_type=kind)
    assert (status, body["token_type"], body["expires_in"]) == (200, "Bearer", 3599)
    status, _, body = fake.login(client_secret="", client_assertion="stale", client_assertion_type=kind)
    assert (status, body["error"]) == (401, "invalid_client")
    status, _, body = fake.login(client_secret="wrong")
    assert (status, body["error_description"].split(":")[0]) == (401, "AADSTS7000215")
    assert fake.login(client="nobody")[2]["error"] == "unauthorized_client"
    assert fake.login(tenant="44444444-4444-4444-8444-444444444444")[2]["error"] == "invalid_request"


@pytest.mark.parametrize("wrong", [{"scope": "https://management.azure.com"}, {"grant_type": "password"},
                                   {"scope": "https://example.org/.default"}])  # fmt: skip
def test_a_wrong_form_is_a_violation(fake, wrong):
    assert fake.login(**wrong)[0] == 400
    fake.expected.add("token.oauth")


def test_a_request_needs_a_token_that_was_given_out(fake):
    for header, word in (("", "AuthenticationFailed"), ("Bearer stolen", "InvalidAuthenticationToken")):
        status, headers, body = fake.send("GET", GET, headers={"Authorization": header})
        assert (status, body["error"]["code"]) == (401, word)
        assert headers["WWW-Authenticate"].startswith("Bearer ")
    fake.expected.add("disks.get")


def test_a_token_for_storage_is_none_for_the_resource_manager(fake):
    token = fake.token(scope="https://storage.azure.com/.default")
    status, _, body = fake.send("GET", GET, headers={"Authorization": f"Bearer {token}"})
    assert (status, body["error"]["code"]) == (401, "InvalidAuthenticationTokenAudience")
    fake.expected.add("disks.get")


def test_a_token_ends_by_the_virtual_clock_and_another_is_given(fake, compute):
    fake.advance(3600)
    with pytest.raises(ClientAuthenticationError) as error:
        compute.disks.get("rg", "db")
    assert error.value.error.code == "ExpiredAuthenticationToken"
    fake.bearer.token = fake.token()
    assert compute.disks.get("rg", "db").name == "db"
    fake.call("set", {"principal": CLIENT, "expire_tokens": True})
    assert fake.send("GET", GET)[0] == 401


def test_a_token_may_be_short(fake):
    fake.call("set", {"principal": CLIENT, "set": {"token_seconds": 60}})
    assert fake.login()[2]["expires_in"] == 60


def test_a_token_endpoint_may_be_down(fake):
    fake.inject("token", {"kind": "http", "status": 503})
    fake.inject("token.imds", {"kind": "error", "code": "busy", "status": 429})
    assert fake.login()[0] == 503
    assert fake.login()[0] == 200
    assert (
        fake.send("GET", f"{IMDS}?api-version=2018-02-01&resource={RESOURCE}", headers={"Metadata": "true"})[0] == 429
    )


def test_no_token_and_no_secret_is_kept_in_the_journal(fake, compute):
    compute.disks.get("rg", "db")
    told = str(fake.call("journal")) + str(fake.call("state"))
    assert fake.bearer.token not in told
    assert "'test'" not in str(fake.call("state")["principals"])
