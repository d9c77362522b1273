"""The command line that all fakes have."""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import threading
from typing import Any


def parser(module: str, cloud: str) -> argparse.ArgumentParser:
    """The options that every fake takes."""
    found = argparse.ArgumentParser(prog=f"python -m {module}", description=f"A stateful fake of {cloud} on loopback.")
    found.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    found.add_argument("--announce", action="store_true", help='print {"port": N} as one line once it listens')
    found.add_argument("--scenario", help="a scenario's JSON file to begin with")
    found.add_argument("--until-stdin-ends", action="store_true", help="stop when standard input is closed")
    return found


def serve(server: Any, args: argparse.Namespace) -> None:
    """Serves until the process is killed or, when asked so, until standard input ends."""
    if args.scenario:
        with open(args.scenario, encoding="utf-8") as file:
            server.control.reset(json.load(file))
    # Modules and models stay; there is nothing among them to be collected.
    gc.freeze()
    if args.announce:
        print(json.dumps({"port": server.server_address[1]}), flush=True)
    if args.until_stdin_ends:
        threading.Thread(target=_wait, daemon=True).start()
    server.serve_forever()


def _wait() -> None:
    """Nothing is worth an orderly end: all state is in memory."""
    sys.stdin.read()
    os._exit(0)
