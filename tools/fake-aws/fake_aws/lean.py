"""botocore's models, validator and parsers and moto's wire formats, without the HTTP clients that they come with.

The clients are three quarters of what a start takes, and the fake calls nobody.
"""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

_NEEDED = ("botocore.validate", "botocore.parsers", "botocore.serialize", "moto.core.parse", "moto.core.serialize")
# Only named in what is needed, and never called.
_UNUSED = (
    "urllib3", "urllib3.exceptions", "botocore.auth", "botocore.awsrequest", "botocore.httpsession",
    "botocore.session", "moto.settings", "moto.core.versions",
)  # fmt: skip
# Whole only with every backend's needs; what is below them is found all the same.
_PACKAGES = ("moto", "moto.core")


class _Nothing(ModuleType):
    """A module in which every name is an exception that nobody raises."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Exception,), {})


def load() -> None:
    """Loads what is needed. What was left out is loaded as ever by whoever imports it later."""
    if "botocore.model" in sys.modules:
        return
    stood_in = {name: _Nothing(name) for name in _UNUSED}
    sys.modules |= stood_in
    for name in _PACKAGES:
        spec = find_spec(name)
        if spec is not None:
            sys.modules[name] = module_from_spec(spec)
    for name in _NEEDED:
        importlib.import_module(name)
    for name in stood_in:
        del sys.modules[name]
