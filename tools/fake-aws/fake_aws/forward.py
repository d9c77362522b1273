"""S3 behind the same address: its requests are passed on to a server that knows S3, and its answers back."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

from fake_cloud.request import Answer, Request

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "expect", "te", "trailer", "upgrade", "content-length"}


class Forward:
    """The way to an S3 server. Host and signature stay as they came, so that the server may check them."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname not in {"127.0.0.1", "localhost"}:
            raise ValueError("the S3 server must be http on loopback")
        self._address = (parts.hostname, parts.port or 80)

    def takes(self, request: Request) -> bool:
        """Whether a request is signed for S3."""
        return "/s3/aws4_request" in request.header("authorization")

    def answer(self, request: Request) -> Answer:
        """Passes a request on."""
        target = f"{request.path}?{request.query}" if request.query else request.path
        connection = http.client.HTTPConnection(*self._address, timeout=60)
        try:
            connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.items():
                if name not in _HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(request.body)))
            connection.endheaders(request.body)
            got = connection.getresponse()
            headers = {name: value for name, value in got.getheaders() if name.lower() not in _HOP_BY_HOP | {"date"}}
            if request.method == "HEAD" and got.getheader("Content-Length"):
                headers["Content-Length"] = got.getheader("Content-Length", "0")
            return Answer(got.status, headers, got.read())
        finally:
            connection.close()
