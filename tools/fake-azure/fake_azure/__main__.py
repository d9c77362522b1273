"""`python -m fake_azure`: serves until it is killed or, when asked so, until standard input ends."""

from __future__ import annotations

import argparse
import json
import sys
import threading

from .server import Server


def main() -> None:
    """Parses the command line and serves."""
    parser = argparse.ArgumentParser(prog="python -m fake_azure", description="A stateful fake of Azure on loopback.")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--announce", action="store_true", help='print {"port": N} as one line once it listens')
    parser.add_argument("--scenario", help="a scenario's JSON file to begin with")
    parser.add_argument("--until-stdin-ends", action="store_true", help="stop when standard input is closed")
    args = parser.parse_args()
    server = Server(args.port)
    if args.scenario:
        with open(args.scenario, encoding="utf-8") as file:
            server.control.reset(json.load(file))
    if args.announce:
        print(json.dumps({"port": server.server_address[1]}), flush=True)
    if args.until_stdin_ends:

        def wait() -> None:
            sys.stdin.read()
            server.shutdown()

        threading.Thread(target=wait, daemon=True).start()
    server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
