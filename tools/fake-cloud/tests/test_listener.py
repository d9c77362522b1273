"""HTTP as clients of clouds speak it, and what is no HTTP."""

from __future__ import annotations

import socket
import threading
from email.utils import parsedate_to_datetime
from types import SimpleNamespace

import pytest

from fake_cloud.listener import Listener
from fake_cloud.request import Answer, Cut


class Echo:
    """Answers with what it was asked."""

    world = SimpleNamespace(skew=0)

    def answer(self, request):
        if request.path == "/cut":
            raise Cut
        told = f"{request.method} {request.path}?{request.query} {request.header('X-Name')} {request.body!r}"
        return Answer(204 if request.path == "/none" else 200, {"X-Told": "yes"}, told.encode())


@pytest.fixture
def wire():
    """A connection to a listener."""
    listener = Listener(0, Echo())
    threading.Thread(target=lambda: listener.serve_forever(0.01), daemon=True).start()
    with socket.create_connection(listener.server_address, timeout=10) as connection:
        yield connection.makefile("rwb", buffering=0)
    listener.shutdown()
    listener.server_close()


def answer(wire):
    """Status, headers and body of the next answer."""
    status = int(wire.readline().split()[1])
    headers = {}
    while line := wire.readline().strip():
        name, _, value = line.decode().partition(": ")
        headers[name] = value
    return status, headers, wire.read(int(headers.get("Content-Length", 0)))


def test_one_connection_serves_many_requests(wire):
    for _ in range(3):
        wire.write(b"PUT /a%20b?c=d HTTP/1.1\r\nx-NAME:  v \r\nContent-Length: 3\r\n\r\nabc")
        status, headers, body = answer(wire)
        assert (status, headers["X-Told"]) == (200, "yes")
        assert body == b"PUT /a%20b?c=d v b'abc'"
        assert parsedate_to_datetime(headers["Date"]).year >= 2024


def test_requests_may_come_before_the_answers_are_read(wire):
    wire.write(b"GET /one HTTP/1.1\r\n\r\nGET /two HTTP/1.1\r\n\r\n")
    assert answer(wire)[2].startswith(b"GET /one")
    assert answer(wire)[2].startswith(b"GET /two")


def test_a_body_in_chunks_is_put_together(wire):
    wire.write(
        b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n"
    )
    assert answer(wire)[2] == b"POST /x?  b'abc0123456789'"


def test_who_waits_for_leave_to_send_gets_it(wire):
    wire.write(b"PUT /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert wire.readline() + wire.readline() == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.write(b"ok")
    assert answer(wire)[2] == b"PUT /x?  b'ok'"


def test_answers_without_a_body_have_none(wire):
    wire.write(b"DELETE /none HTTP/1.1\r\n\r\nHEAD /x HTTP/1.1\r\n\r\nGET /y HTTP/1.1\r\nConnection: close\r\n\r\n")
    told = b"".join(iter(lambda: wire.read(65536), b"")).split(b"\r\n\r\n")
    assert [part.split(b"\r\n")[0] for part in told] == [
        b"HTTP/1.1 204 No Content", b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK", b"GET /y?  b''",
    ]  # fmt: skip
    assert [b"Content-Length" in part for part in told] == [False, True, True, False]


@pytest.mark.parametrize("sent", [
    b"hello\r\n\r\n", b"GET / HTTP/2\r\n\r\n", b"GET / HTTP/1.1\r\nno header\r\n\r\n",
    b"GET / HTTP/1.1\r\n folded: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", b"GET /" + b"a" * 65_532,
    b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 201 + b"\r\n",
])  # fmt: skip
def test_what_is_no_request_is_refused_and_ends_the_connection(wire, sent):
    wire.write(sent)
    assert answer(wire)[0] == 400


def test_a_cut_is_a_reset_and_no_empty_answer(wire):
    wire.write(b"GET /cut HTTP/1.1\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        wire.read()
