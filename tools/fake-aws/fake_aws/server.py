"""The server: AWS, its control plane, and S3 passed on."""

from __future__ import annotations

from fake_cloud.listener import Listener

from .control import Control


class Server(Listener):
    """Serves AWS and the control plane on one port."""

    control: Control

    def __init__(self, port: int, s3: str | None = None) -> None:
        forward = None
        if s3:
            # It brings an HTTP client, which few need.
            from .forward import Forward  # noqa: PLC0415

            forward = Forward(s3)
        super().__init__(port, Control(), forward)
