"""HTTP on loopback, one request at a time, with no more of the protocol than clients of clouds use."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from http import HTTPStatus
from typing import Any, Protocol

from .request import Answer, Cut, Request

_BODY_MAXIMUM = 256 * 1024 * 1024
_LINE_MAXIMUM = 65536
_HEADERS_MAXIMUM = 200
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


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


class Listener(socketserver.ThreadingTCPServer):
    """Serves a cloud and its control plane on one port."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int, control: Control, forward: Elsewhere | None = None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.forward = forward
        self.control = control
        self.lock = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Malformed(Exception):
    """What came is no request."""


class _Handler(socketserver.StreamRequestHandler):
    server: Listener
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Serves one request after the other, until either side is done."""
        try:
            while self._serve():
                pass
        except _Malformed as error:
            self._send("GET", Answer(400, {"Connection": "close", "Content-Type": "text/plain"}, str(error).encode()))
        except Cut:
            # A reset, so that the client cannot take it for an empty answer.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            self.connection.close()

    def _serve(self) -> bool:
        line = self._line()
        if not line:
            return False
        parts = line.split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise _Malformed(f"no request line: {line!r}")
        method, target, version = parts
        path, _, query = target.partition("?")
        headers = self._headers()
        last = headers.get("connection", "" if version == "HTTP/1.1" else "close").lower() == "close"
        request = Request(method, path, query, headers, self._body(headers))
        if self.server.forward is not None and self.server.forward.takes(request):
            answer = self.server.forward.answer(request)
        else:
            with self.server.lock:
                answer = self.server.control.answer(request)
        self._send(method, answer)
        return not last

    def _line(self) -> str:
        """The next line without its end; the empty string also where the connection ends."""
        line = self.rfile.readline(_LINE_MAXIMUM + 1)
        if len(line) > _LINE_MAXIMUM:
            raise _Malformed("a line is too long")
        return line.decode("latin-1").rstrip("\r\n")

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        for _ in range(_HEADERS_MAXIMUM):
            line = self._line()
            if not line:
                return headers
            name, colon, value = line.partition(":")
            if not colon or name != name.strip():
                raise _Malformed(f"no header: {line!r}")
            headers[name.lower()] = value.strip()
        raise _Malformed("too many headers")

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return self._chunks()
        length = headers.get("content-length") or "0"
        if not length.isdigit() or int(length) > _BODY_MAXIMUM:
            raise _Malformed("a body of this size is no cloud's")
        return self.rfile.read(int(length))

    def _chunks(self) -> bytes:
        parts: list[bytes] = []
        while size := self._chunk_size():
            parts.append(self.rfile.read(size))
            self._line()
        while self._line():
            pass
        return b"".join(parts)

    def _chunk_size(self) -> int:
        try:
            return int(self._line().partition(";")[0], 16)
        except ValueError:
            raise _Malformed("a chunk without its size") from None

    def _send(self, method: str, answer: Answer) -> None:
        headers = {"Date": _date(time.time() + self.server.control.world.skew), **answer.headers}
        # An answer of these has no body, and what stood there would be read as the next answer's beginning.
        bare = answer.status in {204, 304}
        if not bare:
            headers.setdefault("Content-Length", str(len(answer.body)))
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        told = f"HTTP/1.1 {answer.status} {_PHRASES.get(answer.status, '')}\r\n{head}\r\n".encode("latin-1")
        self.wfile.write(told if method == "HEAD" or bare else told + answer.body)


def _date(seconds: float) -> str:
    """A time as HTTP writes it."""
    at = time.gmtime(seconds)
    day = f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year}"
    return f"{day} {at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02} GMT"
