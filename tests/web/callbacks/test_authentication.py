import base64
import hashlib
import hmac
import ssl
from dataclasses import replace
from urllib.parse import quote, quote_plus

import pytest
from certificates import make_authority
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.config.settings import (
    Authentication,
    BackendCallbackSettings,
    BasicAuthentication,
    BearerAuthentication,
    ClientCertificateAuthentication,
    HMACAuthentication,
    SignatureAlgorithm,
    SignatureEncoding,
    StandardWebhooksAuthentication,
)
from koha_ill_sidecar.config.values import Secret
from koha_ill_sidecar.web.callbacks.authentication import (
    Authenticated,
    Authenticator,
    AuthFailure,
    AuthRequest,
)

# The first comes from the Standard Webhooks libraries, the second from `openssl dgst -sha256 -mac HMAC`.
VECTORS = [
    (
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330",
        b'{"test": 2432232314}',
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    ),
    (
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "evt_0001",
        "1767225600",
        b'{"type":"ill.request.updated"}',
        "v1,Q/An8ZiUFm1lL/rD/jzmNmBrCFMWolK8w55KEqOUn5E=",
    ),
]
SECRET, EVENT_ID, TIMESTAMP, BODY, SIGNATURE = VECTORS[1]
OTHER_SECRET = "whsec_" + base64.b64encode(bytes(range(100, 132))).decode()


def authenticator(*ways: Authentication) -> Authenticator:
    return Authenticator(BackendCallbackSettings(authentication=ways))


def standard_webhooks(*secrets: str) -> Authenticator:
    return authenticator(StandardWebhooksAuthentication(secrets=tuple(map(Secret, secrets))))


def evidence(
    headers: dict[str, str] | None = None,
    *,
    body: bytes = BODY,
    now: float = float(TIMESTAMP),
    from_trusted_proxy: bool = False,
    **signed: str,
) -> AuthRequest:
    if headers is None:
        headers = {
            "webhook-id": EVENT_ID,
            "webhook-timestamp": TIMESTAMP,
            "webhook-signature": SIGNATURE,
        } | {f"webhook-{name}": value for name, value in signed.items()}
    return AuthRequest(headers=headers, body=body, now=now, from_trusted_proxy=from_trusted_proxy)


@pytest.mark.parametrize(("secret", "event_id", "timestamp", "body", "signature"), VECTORS)
def test_known_signatures_hold(
    secret: str, event_id: str, timestamp: str, body: bytes, signature: str
) -> None:
    shown = evidence(id=event_id, timestamp=timestamp, signature=signature, body=body, now=float(timestamp))

    assert standard_webhooks(secret).authenticate(shown) == Authenticated(
        method="standard-webhooks", event_id=event_id
    )


@pytest.mark.parametrize("secrets", [(SECRET, OTHER_SECRET), (OTHER_SECRET, SECRET)])
def test_either_of_two_secrets_holds_during_a_rotation(secrets: tuple[str, ...]) -> None:
    assert isinstance(standard_webhooks(*secrets).authenticate(evidence()), Authenticated)


def test_one_good_signature_among_others_is_enough() -> None:
    signatures = f"v1a,AAAA nonsense v1,not/base64! v2,{SIGNATURE[3:]} {SIGNATURE}"

    assert isinstance(standard_webhooks(SECRET).authenticate(evidence(signature=signatures)), Authenticated)


@pytest.mark.parametrize("offset", [-300, 300])
def test_five_minutes_either_way_are_tolerated(offset: int) -> None:
    shown = evidence(now=float(TIMESTAMP) + offset)

    assert isinstance(standard_webhooks(SECRET).authenticate(shown), Authenticated)


@pytest.mark.parametrize(
    ("shown", "reason"),
    [
        (evidence(body=BODY + b" "), AuthFailure.WRONG_SIGNATURE),
        (evidence(id="evt_0002"), AuthFailure.WRONG_SIGNATURE),
        (evidence(timestamp="1767225601"), AuthFailure.WRONG_SIGNATURE),
        (evidence(timestamp="01767225600"), AuthFailure.WRONG_SIGNATURE),
        (evidence(signature=SIGNATURE.replace("v1,", "v1a,")), AuthFailure.WRONG_SIGNATURE),
        (evidence(signature=SIGNATURE.rstrip("=")), AuthFailure.WRONG_SIGNATURE),
        (evidence(signature=SIGNATURE[:-2] + "F="), AuthFailure.WRONG_SIGNATURE),
        (evidence(signature=f"{SIGNATURE},{SIGNATURE}"), AuthFailure.WRONG_SIGNATURE),
        (evidence(signature="v1"), AuthFailure.WRONG_SIGNATURE),
        (evidence(signature="v1,\xe9"), AuthFailure.WRONG_SIGNATURE),
        (evidence(signature="v1,AA== " * 30 + SIGNATURE), AuthFailure.WRONG_SIGNATURE),
        (evidence(signature=""), AuthFailure.WRONG_SIGNATURE),
        (evidence(now=float(TIMESTAMP) + 301), AuthFailure.STALE),
        (evidence(now=float(TIMESTAMP) - 301), AuthFailure.STALE),
        (evidence(id="evt.0001"), AuthFailure.MALFORMED),
        (evidence(id="evt_0001,evt_0001"), AuthFailure.MALFORMED),
        (evidence(id=""), AuthFailure.MALFORMED),
        (evidence(timestamp="1767225600.0"), AuthFailure.MALFORMED),
        (evidence(timestamp="１７６７２２５６００"), AuthFailure.MALFORMED),
        (evidence(timestamp="9" * 5000), AuthFailure.MALFORMED),
        (evidence(timestamp=f"{TIMESTAMP},{TIMESTAMP}"), AuthFailure.MALFORMED),
        (evidence({}), AuthFailure.NO_CREDENTIALS),
    ],
    ids=range(22),
)
def test_a_signature_that_does_not_hold_is_refused(shown: AuthRequest, reason: AuthFailure) -> None:
    assert standard_webhooks(SECRET).authenticate(shown) is reason


@given(st.text(st.characters(codec="latin-1")), st.binary())
def test_no_header_crashes_the_check(text: str, body: bytes) -> None:
    for name in ("id", "timestamp", "signature"):
        shown = evidence(body=body)
        shown = replace(shown, headers={**shown.headers, f"webhook-{name}": text})
        assert isinstance(standard_webhooks(SECRET).authenticate(shown), AuthFailure)


@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
@pytest.mark.parametrize("encoding", SignatureEncoding)
@pytest.mark.parametrize("prefix", ["", "sha="])
def test_a_plain_hmac_holds_in_every_way_of_writing_it(
    algorithm: SignatureAlgorithm, encoding: SignatureEncoding, prefix: str
) -> None:
    way = HMACAuthentication(
        header="X-Signature",
        algorithm=algorithm,
        encoding=encoding,
        prefix=prefix,
        secrets=(Secret("old"), Secret("new")),
    )
    digest = hmac.digest(b"new", BODY, algorithm.value)
    text = digest.hex() if encoding is SignatureEncoding.HEX else base64.b64encode(digest).decode()

    outcome = authenticator(way).authenticate(evidence({"x-signature": prefix + text}))
    changed = authenticator(way).authenticate(evidence({"x-signature": prefix + text}, body=b"{}"))

    assert (outcome, changed) == (Authenticated(method="hmac"), AuthFailure.WRONG_SIGNATURE)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("sha256=" + "0" * 64, AuthFailure.WRONG_SIGNATURE),
        ("sha256=", AuthFailure.MALFORMED),
        ("sha256=xyz", AuthFailure.MALFORMED),
        ("0" * 64, AuthFailure.MALFORMED),
        (None, AuthFailure.NO_CREDENTIALS),
    ],
)
def test_a_plain_hmac_that_does_not_hold_is_refused(value: str | None, reason: AuthFailure) -> None:
    way = HMACAuthentication(header="X-Hub-Signature-256", prefix="sha256=", secrets=(Secret("key"),))

    headers = {} if value is None else {"x-hub-signature-256": value}
    assert authenticator(way).authenticate(evidence(headers)) is reason


@pytest.mark.parametrize(
    ("value", "outcome"),
    [
        ("Bearer new", Authenticated(method="bearer")),
        ("bearer old", Authenticated(method="bearer")),
        ("Bearer newer", AuthFailure.WRONG_TOKEN),
        ("Bearer ", AuthFailure.WRONG_TOKEN),
        ("Basic bmV3", AuthFailure.NO_CREDENTIALS),
        ("", AuthFailure.NO_CREDENTIALS),
    ],
)
def test_a_bearer_token_is_compared_whole(value: str, outcome: Authenticated | AuthFailure) -> None:
    way = BearerAuthentication(tokens=(Secret("old"), Secret("new")))

    assert authenticator(way).authenticate(evidence({"authorization": value})) == outcome


@pytest.mark.parametrize(
    ("credentials", "outcome"),
    [
        ("acme:öffne dich:jetzt", Authenticated(method="basic")),
        ("acme:open", AuthFailure.WRONG_PASSWORD),
        ("other:öffne dich:jetzt", AuthFailure.WRONG_PASSWORD),
        ("", AuthFailure.WRONG_PASSWORD),
    ],
)
def test_basic_credentials_are_compared_whole(credentials: str, outcome: Authenticated | AuthFailure) -> None:
    way = BasicAuthentication(user="acme", password=Secret("öffne dich:jetzt"))
    header = "Basic " + base64.b64encode(credentials.encode()).decode()

    assert authenticator(way).authenticate(evidence({"authorization": header})) == outcome


@pytest.mark.parametrize("value", ["Basic !!!", "Basic YWNtZTpvcGVu YWNt", "Basic YWN\xe9"])
def test_basic_credentials_that_are_not_base64_are_refused(value: str) -> None:
    way = BasicAuthentication(user="acme", password=Secret("open"))

    assert authenticator(way).authenticate(evidence({"authorization": value})) is AuthFailure.MALFORMED


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("certificate")
    make_authority(directory / "cert.pem", directory / "key.pem")
    return (directory / "cert.pem").read_text()


def test_a_certificate_passed_by_a_trusted_proxy_holds(certificate: str) -> None:
    fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()
    way = ClientCertificateAuthentication(header="X-Cert", fingerprints=(fingerprint,))
    with_colons = ":".join(fingerprint[at : at + 2] for at in range(0, 64, 2)).upper()
    pem = certificate.replace("\n", "%0A").replace(" ", "%20")

    for value in (fingerprint, with_colons, pem):
        shown = evidence({"x-cert": value}, from_trusted_proxy=True)
        assert authenticator(way).authenticate(shown) == Authenticated(method="client-certificate")


@pytest.mark.parametrize(
    ("value", "trusted", "reason"),
    [
        ("ab" * 32, False, AuthFailure.UNTRUSTED_PROXY),
        ("cd" * 32, True, AuthFailure.WRONG_CERTIFICATE),
        ("ab", True, AuthFailure.WRONG_CERTIFICATE),
        ("(null)", True, AuthFailure.MALFORMED),
        ("-----BEGIN CERTIFICATE----- x", True, AuthFailure.MALFORMED),
        ("", True, AuthFailure.NO_CREDENTIALS),
    ],
)
def test_a_certificate_from_anybody_else_does_not_hold(
    value: str,
    trusted: bool,  # noqa: FBT001  (a parameter of the test)
    reason: AuthFailure,
) -> None:
    way = ClientCertificateAuthentication(header="X-Cert", fingerprints=("ab" * 32,))
    shown = evidence({"x-cert": value}, from_trusted_proxy=trusted)

    assert authenticator(way).authenticate(shown) is reason


def test_one_of_several_ways_is_enough_and_the_most_telling_refusal_is_told() -> None:
    both = authenticator(
        StandardWebhooksAuthentication(secrets=(Secret(SECRET),)),
        BearerAuthentication(tokens=(Secret("token"),)),
    )

    assert both.authenticate(evidence({"authorization": "Bearer token"})) == Authenticated(method="bearer")
    assert both.authenticate(evidence(body=b"")) is AuthFailure.WRONG_SIGNATURE
    assert both.challenge == 'Bearer realm="callbacks", Signature realm="callbacks"'
    assert both.secret_headers == {"authorization", "webhook-signature", "svix-signature"}


def test_a_secret_is_the_decoded_key_and_not_its_text() -> None:
    """Signing with the text of a secret is the mistake that senders make most."""
    signed = f"{EVENT_ID}.{TIMESTAMP}.".encode() + BODY
    wrong = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()

    outcome = standard_webhooks(SECRET).authenticate(evidence(signature=f"v1,{wrong}"))

    assert outcome is AuthFailure.WRONG_SIGNATURE


@pytest.mark.parametrize(
    "form", [":{}:", "{}", "{},{}"], ids=["RFC 9440", "Traefik", "Traefik with the chain"]
)
def test_a_client_certificate_may_come_as_base64(form: str) -> None:
    der = bytes(range(256)) * 3
    encoded = base64.b64encode(der).decode()
    settings = ClientCertificateAuthentication(
        header="Client-Cert", fingerprints=(hashlib.sha256(der).hexdigest(),)
    )

    def check(value: str) -> object:
        headers = {"client-cert": value}
        return authenticator(settings).authenticate(
            AuthRequest(headers=headers, body=b"", now=0.0, from_trusted_proxy=True)
        )

    assert check(form.format(encoded, "AAAA")) == Authenticated(method=settings.METHOD)
    assert check(form.format("AAAA", encoded)) is AuthFailure.WRONG_CERTIFICATE


def test_a_certificate_comes_as_envoy_and_apache_pass_it(certificate: str) -> None:
    fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).hexdigest()
    way = ClientCertificateAuthentication(header="X-Cert", fingerprints=(fingerprint,))
    escaped = quote(certificate, safe="")

    for value in (
        f"sha256:{fingerprint}",
        f"SHA256={fingerprint.upper()}",
        certificate.replace("\n", " ").strip(),
        quote_plus(certificate.replace("\n", " ")),
        certificate.strip().replace("\n", "+").replace(" ", "+"),
        f'By=spiffe://a;Hash={fingerprint};Subject="CN=x,O=\\"y;z\\"";URI=spiffe://b',
        f"By=spiffe://a;Hash={'ab' * 32},By=spiffe://b;Hash={fingerprint}",
        f'Cert="{escaped}";Subject=""',
    ):
        shown = evidence({"x-cert": value}, from_trusted_proxy=True)
        assert authenticator(way).authenticate(shown) == Authenticated(method="client-certificate"), value


def test_only_the_last_element_of_envoys_list_counts() -> None:
    way = ClientCertificateAuthentication(header="X-Cert", fingerprints=("ab" * 32,))
    value = f"Hash={'ab' * 32},Hash={'cd' * 32}"

    outcome = authenticator(way).authenticate(evidence({"x-cert": value}, from_trusted_proxy=True))

    assert outcome is AuthFailure.WRONG_CERTIFICATE
