"""A fake as a process of its own, for the tests of each."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Fake:
    """The running fake: its control plane, and the violations that a test asked for."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.expected: set[str | None] = set()
        self.found: list[dict[str, Any]] = []

    def call(self, name: str, body: Any = None) -> Any:
        """One request to the control plane; a body makes it a POST."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_fake/{name}", data, method="GET" if body is None else "POST")
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error)["error"]) from None

    def reset(self, scenario: Any) -> None:
        """Begins anew, and keeps the violations until now."""
        self.found += self.call("reset", scenario)["violations_before"]

    def advance(self, seconds: float) -> None:
        """Moves the virtual time."""
        self.call("advance", {"seconds": seconds})

    def inject(self, op: str, fault: dict[str, Any], **more: Any) -> None:
        """Plans a fault."""
        self.call("inject", {"op": op, "fault": fault, **more})

    @contextlib.contextmanager
    def checked(self) -> Iterator[Any]:
        """No test may leave a violation that it did not ask for."""
        yield self
        found = self.found + self.call("violations")
        unexpected = [each for each in found if each["operation"] not in self.expected]
        assert unexpected == []
        missing = self.expected - {each["operation"] for each in found}
        assert not missing, f"no violation of {missing}"


@contextlib.contextmanager
def process(module: str, folder: Path, *options: str) -> Iterator[int]:
    """A server that ends with the tests; gives its port."""
    command = [sys.executable, "-m", module, "--port", "0", "--announce", "--until-stdin-ends", *options]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        yield json.loads(child.stdout.readline())["port"]
        child.communicate()
