"""Interlibrary loans beside a running Koha."""

__version__ = "0.1.0"
