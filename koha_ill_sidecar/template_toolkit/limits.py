"""How much a template may do."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Bounds on one rendering, each ending in a `TemplateLimitError`."""

    # Template Toolkit's own bound, whose error TRY can catch.
    while_turns: int = 1000
    # Turns of all loops of one rendering together.
    loop_turns: int = 1_000_000
    # Blocks, macros and evaluated texts inside each other. Each costs about three Python frames.
    depth: int = 64
    # Characters of the output, and of any one text on the way to it.
    output: int = 10_000_000
    # Elements of any one list that the template makes.
    list_size: int = 1_000_000
    # Wall-clock seconds, looked at every few loop turns and at every block.
    seconds: float = 10.0
    # Characters of a template's source.
    source: int = 1_000_000
