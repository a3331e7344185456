"""The ID of a request on the command line, in each form in which people read it."""

import click

from koha_ill_sidecar.cli.context import CommandContext
from koha_ill_sidecar.domain import request_ids


class _RequestID(click.ParamType[int]):
    name = "request"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        written = request_ids.parse(str(value))
        if written is None:
            self.fail(f"{str(value)!r} is not the ID of a request, such as 201, #201 or CPL-201.", param, ctx)
        if written.prefix:
            context = (ctx or click.get_current_context()).ensure_object(CommandContext)
            prefixes = context.settings.koha.site.prefixes.values()
            if not written.has_prefix_of(prefixes):
                self.fail(request_ids.unknown_prefix(written.prefix, prefixes), param, ctx)
        return written.illrequest_id


REQUEST_ID = _RequestID()
"""The type of an option or argument that names a request."""
