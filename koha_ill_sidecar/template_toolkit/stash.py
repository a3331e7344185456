"""
The variables of a template, and the meaning of a dot.

`get` and `assign` follow Template Toolkit's stash in C, including its oddities: `list.first` is always the virtual
method, missing hash elements on the left of `=` become hashes, and `x.trim` also trims the variable itself.

Source: Template Toolkit 2.27, Template::Stash::XS.
"""

import inspect
from collections.abc import Callable

from koha_ill_sidecar.template_toolkit.errors import TemplateError, TemplateLimitError
from koha_ill_sidecar.template_toolkit.hash_methods import HASH_METHODS
from koha_ill_sidecar.template_toolkit.limits import Meter
from koha_ill_sidecar.template_toolkit.list_methods import LIST_METHODS
from koha_ill_sidecar.template_toolkit.text_methods import TEXT_METHODS, Method
from koha_ill_sidecar.template_toolkit.values import (
    MISSING,
    Value,
    integer,
    is_reference,
    looks_like_number,
    text,
    truth,
)


class Stash(dict[str, Value]):
    """The variables of a block. INCLUDE copies them, PROCESS shares them."""

    __slots__ = ("meter",)

    def __init__(self, meter: Meter, variables: dict[str, Value]) -> None:
        super().__init__(variables)
        self.meter = meter

    def localise(self, more: dict[str, Value]) -> "Stash":
        """Return a copy with the variables of *more* added, as `spread` does."""
        self.meter.allocate_elements(len(self))
        clone = Stash(self.meter, self)
        clone.spread(more)
        return clone

    def spread(self, more: dict[str, Value]) -> None:
        """Set the variables of *more*. A hash named `import` is replaced by its elements."""
        imported = more.get("import")
        if isinstance(imported, dict):
            more = {name: value for name, value in more.items() if name != "import"}
            self.update(imported)
        self.update(more)


# The name and the arguments of each step, alternating.
FlatPath = tuple[Value, ...]

# Values of exactly these classes need no further look-up. Comparing classes is faster than isinstance.
_PLAIN = frozenset((str, int, float, dict, list))
_METHOD_NAMES = frozenset((*HASH_METHODS, *LIST_METHODS))


def get_one(stash: Stash, name: str) -> Value:
    """Return the variable *name*, or an empty text if it is not defined."""
    value = stash.get(name)
    if value.__class__ in _PLAIN:
        return value
    value = _dot(stash, stash, name, None)
    return "" if value is None else value


def get_two(stash: Stash, first: str, second: str) -> Value:
    """Return `first.second`: a faster `get` for the most frequent kind of path."""
    root = stash.get(first)
    if root.__class__ is dict:
        value = root.get(second)
        if value.__class__ in _PLAIN:
            return value
        if value is None and second not in _METHOD_NAMES:
            return ""
    return get(stash, (first, None, second, None))


def get(stash: Stash, path: FlatPath) -> Value:
    """Return the value at a path, or an empty text if it is not defined."""
    parent: Value = None
    root: Value = stash
    key: Value = None
    for index in range(0, len(path), 2):
        name, args = path[index], path[index + 1]
        value = _dot(stash, root, name, args)
        if name in ("trim", "collapse") and isinstance(root, str):
            _write_back(parent, key, value)
        if value is None:
            return ""
        parent, root, key = root, value, name
    return root


def get_dynamic(stash: Stash, name: Value) -> Value:
    """Return the variable whose name is the value *name*; a name with dots is a path."""
    path = _dotted(stash, name)
    value = get(stash, path)
    return "" if value is None else value


def _dotted(stash: Stash, name: Value) -> FlatPath:
    stash.meter.visit(name)
    if isinstance(name, list) and len(name) > 1:
        # A list in place of a name is a path: names and their arguments, alternating.
        return tuple(name[: len(name) // 2 * 2])
    if is_reference(name):
        raise TemplateError("undef", f"{text(name)} cannot be the name of a variable")
    path: list[Value] = []
    for element in text(name).split("."):
        path += (element.partition("(")[0], None)
    return tuple(path)


def _assigned_path(stash: Stash, name: Value) -> FlatPath:
    if not isinstance(name, list) or len(name) % 2 == 0:
        return _dotted(stash, name)
    # With an odd number of elements, Template Toolkit assigns to the last two.
    return (*name[:-1], *name[-2:]) if len(name) > 1 else (name[0], None)


def _write_back(parent: Value, key: Value, value: Value) -> None:
    """Store the result of `trim` and `collapse` in the variable: in Perl they change it in place."""
    if isinstance(parent, dict):
        name = text(key)
        if isinstance(parent.get(name), str):
            parent[name] = value
    elif isinstance(parent, list) and looks_like_number(key):
        index = integer(key)
        if -len(parent) <= index < len(parent) and isinstance(parent[index], str):
            parent[index] = value


def _dot(stash: Stash, root: Value, name: Value, args: Value, *, vivify: bool = False) -> Value:
    key = name if isinstance(name, str) else text(name)
    # Template Toolkit hides names that start with `_` or `.`.
    if key.startswith(("_", ".")):
        return None
    arguments: list[Value] = args if isinstance(args, list) else []
    if isinstance(root, dict):
        return _dot_hash(stash, root, name, key, arguments, vivify=vivify)
    if isinstance(root, list):
        return _dot_list(stash, root, name, key, arguments)
    if root is None:
        return None
    if is_reference(root):
        return _dot_object(stash, root, key, arguments)
    if vivify:
        return None
    return _dot_text(stash, root, key, arguments)


def _metered(meter: Meter, method: Method, root: Value, args: list[Value]) -> Value:
    if root.__class__ is str:
        meter.spend(len(root))
    else:
        meter.visit(root)
    if args:
        meter.visit(*args)
    result = method(meter, root, args)
    if result is not root:
        meter.created(result)
    return result


def _dot_hash(
    stash: Stash, root: dict[str, Value], name: Value, key: str, args: list[Value], *, vivify: bool
) -> Value:
    value = root.get(key)
    if value is not None:
        return call(value, key, args) if is_code(value) else value
    if vivify:
        created: dict[str, Value] = {}
        root[key] = created
        return created
    if isinstance(root, Stash):
        return HASH_METHODS["import"](stash.meter, root, args) if key == "import" else None
    if method := HASH_METHODS.get(key):
        return _metered(stash.meter, method, root, args)
    if on_list := LIST_METHODS.get(key):
        return _metered(stash.meter, on_list, [root], args)
    if isinstance(name, list):
        stash.meter.created(name)
        return [root[text(element)] for element in name if text(element) in root]
    return None


def _dot_list(stash: Stash, root: list[Value], name: Value, key: str, args: list[Value]) -> Value:
    if method := LIST_METHODS.get(key):
        return _metered(stash.meter, method, root, args)
    if looks_like_number(name):
        value = _element(root, name)
        return call(value, key, args) if is_code(value) else value
    if isinstance(name, list):
        stash.meter.created(name)
        return [_element(root, index) for index in name if looks_like_number(index) and _has(root, index)]
    return None


def _has(root: list[Value], name: Value) -> bool:
    return -len(root) <= integer(name) < len(root)


def _element(root: list[Value], name: Value) -> Value:
    return root[integer(name)] if _has(root, name) else None


def _dot_object(stash: Stash, root: Value, key: str, args: list[Value]) -> Value:
    getter = getattr(root, "template_get", None)
    if getter is None:
        return None
    value: Value = getter(key, args)
    if value is not MISSING:
        stash.meter.created(value)
        return value
    method = LIST_METHODS.get(key)
    return None if method is None else _metered(stash.meter, method, [root], args)


def _dot_text(stash: Stash, root: Value, key: str, args: list[Value]) -> Value:
    if method := TEXT_METHODS.get(key):
        return _metered(stash.meter, method, root, args)
    on_list = LIST_METHODS.get(key)
    return None if on_list is None else _metered(stash.meter, on_list, [root], args)


def is_code(value: Value) -> bool:
    """Return whether *value* is a function: a path that reaches one calls it."""
    return callable(value) and not hasattr(value, "template_get")


def call(code: Value, name: str, args: list[Value]) -> Value:
    """
    Call a function that a variable holds.

    Raises:
        TemplateError: The function does not take this number of arguments.
    """
    function: Callable[..., Value] = code  # type: ignore[assignment]
    try:
        return function(*args)
    except TypeError as error:
        if _takes(function, args):
            raise
        raise TemplateError("undef", f"{name}: wrong number of arguments") from error


def _takes(function: Callable[..., Value], args: list[Value]) -> bool:
    try:
        inspect.signature(function).bind(*args)
    except TypeError:
        return False
    except ValueError:
        return True  # some built-in functions have no signature
    return True


def assign(stash: Stash, path: FlatPath, value: Value, *, default: bool = False) -> Value:
    """
    Set the value at a path and create missing hashes on the way. Return the value, or an empty text if nothing was set.

    With *default* only a value that is not true is replaced. As in Template Toolkit, nothing happens where the path
    leads through a value that has no elements.
    """
    if len(path) == 2:
        path = _assigned_path(stash, path[0])
    root: Value = stash
    for index in range(0, len(path) - 2, 2):
        root = _dot(stash, root, path[index], path[index + 1], vivify=True)
        if root is None:
            return ""
    if not is_reference(root):
        return root
    result = _assign_element(stash, root, path[-2], path[-1], value, default=default)
    return "" if result is None else result


def _assign_element(
    stash: Stash, root: Value, name: Value, args: Value, value: Value, *, default: bool
) -> Value:
    key = text(name)
    if key.startswith(("_", ".")):
        return None
    if isinstance(root, dict):
        if default and truth(root.get(key)):
            return None
        root[key] = value
        return value
    if isinstance(root, list):
        return _assign_index(stash, root, name, value, default=default)
    getter = getattr(root, "template_get", None)
    if getter is not None:
        result: Value = getter(key, [*(args if isinstance(args, list) else []), value])
        return None if result is MISSING else result
    raise TemplateError("undef", f"don't know how to assign to [ {text(root)} ].{key}")


def _assign_index(stash: Stash, root: list[Value], name: Value, value: Value, *, default: bool) -> Value:
    if not looks_like_number(name):
        return None
    if default and truth(_element(root, name)):
        return None
    index = integer(name)
    if index >= stash.meter.limits.list_size:
        raise TemplateLimitError(f"list index {index} is beyond {stash.meter.limits.list_size}")
    if index < -len(root):
        raise TemplateError(
            "undef", f"Modification of non-creatable array value attempted, subscript {index}"
        )
    if index >= len(root):
        stash.meter.allocate_elements(index + 1 - len(root))
        root.extend([None] * (index + 1 - len(root)))
    root[index] = value
    return value


def reference(stash: Stash, path: FlatPath) -> Value:
    r"""Return a function that looks up the last step of the path, as `\a.b` does."""
    root: Value = stash
    for index in range(0, len(path) - 2, 2):
        root = _dot(stash, root, path[index], path[index + 1])
        if root is None:
            return lambda *_: ""
    name, args = path[-2], path[-1]
    given: list[Value] = args if isinstance(args, list) else []
    return lambda *more: _dot(stash, root, name, [*given, *more])
