"""Which function answers which operation; services by their names in a signature's scope."""

from __future__ import annotations

from fake_cloud.registry import Handlers

# Each takes a Call and the parameters, and gives the result.
HANDLERS = Handlers()
operation = HANDLERS.operation
