"""`python -m fake_aws`: serves until it is killed or, when asked so, until standard input ends."""

from __future__ import annotations

from . import lean


def main() -> None:
    """Parses the command line and serves."""
    lean.load()
    from fake_cloud import command  # noqa: PLC0415
    from fake_cloud.listener import Listener  # noqa: PLC0415

    from .control import control  # noqa: PLC0415

    parser = command.parser("fake_aws", "AWS")
    parser.add_argument("--s3", metavar="URL", help="an S3 server on loopback, which gets what is signed for S3")
    args = parser.parse_args()
    forward = None
    if args.s3:
        # It brings an HTTP client, which few need.
        from .forward import Forward  # noqa: PLC0415

        forward = Forward(args.s3)
    command.serve(Listener(args.port, control(), forward), args)


if __name__ == "__main__":
    main()
