"""Run the command ``koha-ill-sidecar`` as ``python -m koha_ill_sidecar``."""

from koha_ill_sidecar.cli import main

main()
