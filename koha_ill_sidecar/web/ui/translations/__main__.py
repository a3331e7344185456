"""Bring the catalogues up to date."""

from koha_ill_sidecar.web.ui import translations
from koha_ill_sidecar.web.ui.i18n import DIRECTORY

for path in sorted(DIRECTORY.glob("*.po")):
    translations.write(translations.update(path), path)
