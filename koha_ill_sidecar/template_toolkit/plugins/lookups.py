"""
The plugins Assert and Scalar: look up a variable that must exist.

Perl needs Scalar for functions that return different values in list and scalar context. Python's functions do not.

Source: Template Toolkit 2.27, Template::Plugin::Assert and Template::Plugin::Scalar.
"""

from koha_ill_sidecar.template_toolkit.context import Context
from koha_ill_sidecar.template_toolkit.errors import TemplateError
from koha_ill_sidecar.template_toolkit.stash import call, is_code
from koha_ill_sidecar.template_toolkit.values import Value


class Assert:
    """`assert.name` is the variable `name`; it raises an error if the value is not defined."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def template_get(self, name: str, args: list[Value]) -> Value:
        """
        Return the variable *name*.

        Raises:
            TemplateError: Of the kind `assert`.
        """
        value = _variable(self._context, name, args)
        if value is None:
            raise TemplateError("assert", f"undefined value for {name}")
        return value


class Scalar:
    """`scalar.name` is the variable `name`; it raises an error if there is none."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def template_get(self, name: str, args: list[Value]) -> Value:
        """
        Return the variable *name*.

        Raises:
            TemplateError: Of the kind `scalar`.
        """
        if self._context.stash.get(name) is None:
            raise TemplateError("scalar", f"undefined value for scalar call: {name}")
        return _variable(self._context, name, args)


def _variable(context: Context, name: str, args: list[Value]) -> Value:
    value = context.stash.get(name)
    return call(value, name, args) if is_code(value) else value


def make_assert(context: Context, _args: list[Value]) -> Assert:
    """Create the plugin; it takes no arguments."""
    return Assert(context)


def make_scalar(context: Context, _args: list[Value]) -> Scalar:
    """Create the plugin; it takes no arguments."""
    return Scalar(context)
