"""Callbacks of a supplier, and the settings of the backends that receive them."""

import base64
import hmac
import time
from collections.abc import Mapping
from typing import Any

from koha_ill_sidecar.config.settings import (
    BackendCallbackSettings,
    BackendSettings,
    BasicAuthentication,
    BearerAuthentication,
    CallbackMapping,
    DatabaseSettings,
    KohaSettings,
    Settings,
    StandardWebhooksAuthentication,
)
from koha_ill_sidecar.config.values import Secret

KEY = bytes(range(32))
SECRET = "whsec_" + base64.b64encode(KEY).decode()
TOKEN = "a token for tests only"


def mapped_by(fields: Mapping[str, str], **statuses: str) -> BackendCallbackSettings:
    """Return the settings of the backend ``mapped``, with these fields."""
    return BackendCallbackSettings(
        authentication=(BasicAuthentication(user="mapped", password=Secret("open")),),
        accept_any_request=True,
        mapping=CallbackMapping(fields=fields, statuses=statuses),
    )


def callback_settings(
    database: DatabaseSettings, *, mapped: BackendCallbackSettings | None = None, **more: Any
) -> Settings:
    """Return settings whose backends authenticate in different ways; ``acme`` signs."""
    signed = StandardWebhooksAuthentication(secrets=(Secret(SECRET),))
    bearer = BearerAuthentication(tokens=(Secret(TOKEN),))
    backends = {
        "acme": BackendCallbackSettings(authentication=(signed,), accept_any_request=True),
        "plain": BackendCallbackSettings(authentication=(bearer,), accept_any_request=True),
        "mapped": mapped
        or mapped_by(
            {"event_id": "id", "ill_request_id": "reference", "status": "state"},
            **{"Order complete": "delivered"},
        ),
    }
    return Settings(
        koha=KohaSettings(database=database),
        backends={name: BackendSettings(callbacks=one) for name, one in backends.items()}
        | {"silent": BackendSettings(), "off": BackendSettings(enabled=False, callbacks=backends["plain"])},
        **more,
    )


def signed_headers(
    body: bytes, event_id: str, *, key: bytes = KEY, now: float | None = None
) -> dict[str, str]:
    """Return the headers of Standard Webhooks for a body."""
    timestamp = str(int(time.time() if now is None else now))
    digest = hmac.digest(key, f"{event_id}.{timestamp}.".encode() + body, "sha256")
    return {
        "webhook-id": event_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
        "content-type": "application/json",
    }


def report(
    illrequest_id: int, event_id: str = "evt_1", status: str = "in_process", **more: Any
) -> dict[str, Any]:
    """Return the smallest canonical body."""
    return {
        "event_id": event_id,
        "occurred_at": "2026-03-01T12:00:00Z",
        "request": {"ill_request_id": illrequest_id},
        "status": status,
        **more,
    }
