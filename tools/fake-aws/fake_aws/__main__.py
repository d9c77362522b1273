"""`python -m fake_aws`: serves until it is killed or, when asked so, until standard input ends."""

from __future__ import annotations

import argparse
import json
import sys
import threading

from .server import Server


def main() -> None:
    """Parses the command line and serves."""
    parser = argparse.ArgumentParser(prog="python -m fake_aws", description="A stateful fake of AWS on loopback.")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--announce", action="store_true", help='print {"port": N} as one line once it listens')
    parser.add_argument("--scenario", help="a scenario's JSON file to begin with")
    parser.add_argument("--s3", metavar="URL", help="an S3 server on loopback, which gets what is signed for S3")
    parser.add_argument("--until-stdin-ends", action="store_true", help="stop when standard input is closed")
    args = parser.parse_args()
    server = Server(args.port, args.s3)
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
