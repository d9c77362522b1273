"""HTTP on loopback, one request at a time; the fake of another cloud listens in the same way."""

from __future__ import annotations

import socket
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from .errors import Cut
from .request import Answer, Request

_BODY_MAXIMUM = 256 * 1024 * 1024


class Control(Protocol):
    """What answers the requests; its world says how far the server's clock is off."""

    world: Any

    def answer(self, request: Request) -> Answer:
        """Answers a request, or raises Cut."""


class Elsewhere(Protocol):
    """Another server that takes some of the requests."""

    def takes(self, request: Request) -> bool:
        """Whether a request is for it."""

    def answer(self, request: Request) -> Answer:
        """Passes a request on."""


class Listener(ThreadingHTTPServer):
    """Serves a cloud and its control plane on one port."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, control: Control, forward: Elsewhere | None = None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.forward = forward
        self.control = control
        self.lock = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Listener

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """The journal is the log."""

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, path, query, headers, self._body(headers))
        if self.server.forward is not None and self.server.forward.takes(request):
            self._send(self.server.forward.answer(request))
            return
        try:
            with self.server.lock:
                answer = self.server.control.answer(request)
        except Cut:
            # A reset, so that the client cannot take it for an empty answer.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            self.close_connection = True
            self.connection.close()
            return
        self._send(answer)

    do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = do_HEAD = _serve  # noqa: N815

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        length = int(headers.get("content-length") or 0)
        if length > _BODY_MAXIMUM:
            raise ConnectionError("a body of this size is no cloud's")
        return self.rfile.read(length)

    def _chunks(self) -> bytes:
        parts: list[bytes] = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(parts)

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        self.send_header("Date", formatdate(time.time() + self.server.control.world.skew, usegmt=True))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        # An answer of these has no body, and what stood there would be read as the next answer's beginning.
        bare = answer.status in {204, 304}
        if not bare and "Content-Length" not in answer.headers:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD" and answer.body and not bare:
            self.wfile.write(answer.body)
