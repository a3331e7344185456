"""``python -m koha_ill_sidecar`` is the command ``koha-ill-sidecar``."""

from koha_ill_sidecar.cli import main

main()
