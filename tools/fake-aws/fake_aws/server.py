"""The server: AWS, its control plane, and S3 passed on."""

from __future__ import annotations

from .control import Control
from .forward import Forward
from .listener import Listener


class Server(Listener):
    """Serves AWS and the control plane on one port."""

    control: Control

    def __init__(self, port: int, s3: str | None = None) -> None:
        super().__init__(port, Control(), Forward(s3) if s3 else None)
