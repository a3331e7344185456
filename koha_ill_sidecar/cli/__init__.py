"""The command line: each command reads its arguments, calls one service and prints."""

from koha_ill_sidecar.cli.program import main

__all__ = ["main"]
