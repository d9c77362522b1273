"""The server: Azure Resource Manager, its token endpoints, and the control plane."""

from __future__ import annotations

from fake_cloud.listener import Listener

from .control import Control


class Server(Listener):
    """Serves Azure and the control plane on one port."""

    control: Control

    def __init__(self, port: int) -> None:
        super().__init__(port, Control())
