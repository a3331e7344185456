"""What a reference says of a wanted item, wherever it was found."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """
    A description of an item.

    Attributes:
        type: Kind of material; empty where the reference does not tell.
        fields: Values by the key of a field (:data:`koha_ill_sidecar.domain.attributes.LABELS`).
        custom: What no field is made for, by the reference's own keys.
    """

    type: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    custom: Mapping[str, str] = field(default_factory=dict)
