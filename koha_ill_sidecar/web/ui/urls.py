"""URLs of our own pages."""

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from flask import current_app, request, url_for
from werkzeug.exceptions import HTTPException


def current_url() -> str:
    """Return the URL of this page without the host, as :func:`safe_target` accepts it."""
    return request.script_root + request.full_path.rstrip("?")


def here(**changes: object) -> str:
    """Return the URL of this page with other values in its query; None removes one."""
    values: Mapping[str, object] = {**request.args.to_dict(flat=False), **changes}
    # Not through url_for, which gives some names a meaning of their own: a query may hold any.
    query = urlencode({name: value for name, value in values.items() if value is not None}, doseq=True)
    url = url_for(request.endpoint or "", **(request.view_args or {}))
    return f"{url}?{query}" if query else url


def safe_target(target: str | None) -> str | None:
    """Return where to go next if it is a page of ours, so that no link can lead a browser elsewhere."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return None
    if (
        not target.isprintable()
    ):  # a line break cannot be put into a header, and urlsplit ignores some characters
        return None
    parts = urlsplit(target)
    return None if parts.scheme or parts.netloc else target


def nearest_page(url: str, home: str) -> str:
    """
    Return the URL if there is a page at it, else the page above it: some URLs only take forms.

    Args:
        home: Where no page is above it.
    """
    adapter = current_app.create_url_adapter(request)
    path, is_whole = urlsplit(url).path.removeprefix(request.script_root), True
    while adapter is not None and path.strip("/"):
        try:
            adapter.match(path, method="GET")
        except HTTPException:
            path, is_whole = path.rpartition("/")[0], False
        else:
            return url if is_whole else request.script_root + path
    return home
