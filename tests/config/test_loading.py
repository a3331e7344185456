"""A configuration is loaded, or rejected with all its mistakes."""

import contextlib
import socket
import textwrap
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from koha_ill_sidecar.config.loading import known_keys, load_settings, parse_settings
from koha_ill_sidecar.config.settings import (
    BearerAuthentication,
    HMACAuthentication,
    LogFormat,
    Settings,
    SignatureAlgorithm,
    SmtpSettings,
    SSLMode,
    Transport,
)
from koha_ill_sidecar.config.values import ListenAddress, Schedule, Secret
from koha_ill_sidecar.errors import ConfigurationError

KOHA: dict[str, Any] = {"database": {"name": "koha_library", "user": "sidecar"}}


def read(**sections: Any) -> Settings:
    return parse_settings({"koha": KOHA, **sections}, environment={})


def mistakes(**sections: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        read(**sections)
    return caught.value.problems


def load(directory: Path, text: str) -> Settings:
    path = directory / "config.yaml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return load_settings(path, environment={})


def test_name_and_user_of_the_database_are_enough() -> None:
    settings = read()

    assert settings.koha.database.database == "koha_library"
    assert settings.delivery.transports == (Transport.EMAIL, Transport.SMS)
    assert settings.web.listen == ListenAddress(host="127.0.0.1", port=8085)


def test_every_kind_of_value_is_read() -> None:
    settings = read(
        web={"listen": "unix:/run/sidecar.sock", "trusted_proxies": ["10.0.0.0/8", "::1"]},
        delivery={
            "enabled": "no",
            "transports": ["email"],
            "connections": 5,
            "give_up_after": "1d12h",
            "smtp": {"host": "mail.example.org", "port": "587", "ssl_mode": "starttls", "timeout": 20},
        },
        scheduler={"jobs": {"dispatch": "500ms", "cleanup": "0 4 * * sun"}},
        logging={"format": "json"},
    )

    assert settings.web.listen.path == Path("/run/sidecar.sock")
    assert settings.web.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    assert not settings.delivery.enabled
    assert settings.delivery.give_up_after == timedelta(hours=36)
    assert settings.delivery.smtp == SmtpSettings(
        host="mail.example.org", port=587, ssl_mode=SSLMode.STARTTLS, timeout=timedelta(seconds=20)
    )
    assert settings.scheduler.jobs.dispatch == Schedule(every=timedelta(milliseconds=500))
    assert settings.scheduler.jobs.cleanup == Schedule(cron="0 4 * * sun")
    assert settings.logging.format is LogFormat.JSON


def test_authentication_is_chosen_by_its_method() -> None:
    methods = [
        {"method": "hmac", "header": "X-Signature", "algorithm": "sha512", "secrets": ["one", "two"]},
        {"method": "bearer", "tokens": ["three"]},
    ]

    callbacks = (
        read(backends={"Supplier": {"callbacks": {"authentication": methods}}}).backends["Supplier"].callbacks
    )

    assert callbacks is not None
    assert callbacks.authentication == (
        HMACAuthentication(
            header="X-Signature",
            algorithm=SignatureAlgorithm.SHA512,
            secrets=(Secret("one"), Secret("two")),
        ),
        BearerAuthentication(tokens=(Secret("three"),)),
    )


def test_all_mistakes_are_reported_together_with_their_paths() -> None:
    problems = mistakes(
        web={"listen": "8085"},
        delivery={"connections": 0, "smtp": {"host": "mail", "port": 99999}},
        logging={"level": "loud"},
        scheduler={"jobs": {"watch": "61 * * * *"}},
    )

    assert [problem.split(": ")[0] for problem in problems] == [
        "web.listen",
        "delivery.smtp.port",
        "delivery.connections",
        "scheduler.jobs.watch",
        "logging.level",
    ]


def test_keys_of_a_mail_server_without_its_host_are_refused() -> None:
    assert mistakes(delivery={"smtp": {"port": 587}}) == (
        "delivery.smtp.host: is missing; without it, the keys beside it have no effect",
    )


@pytest.mark.parametrize(
    ("section", "key", "nearest"),
    [
        ({"delivery": {"smpt": {}}}, "delivery.smpt", "delivery.smtp"),
        ({"delivry": {}}, "delivry", "delivery"),
        ({"smtp": {"host": "x"}}, "smtp", "delivery.smtp"),
        ({"web": {"listen_on": "x"}}, "web.listen_on", "web.listen"),
        ({"logging": {"keep_receipts_for": 1}}, "logging.keep_receipts_for", "callbacks.keep_receipts_for"),
        ({"metrics": {"zzz": 1}}, "metrics.zzz", "metrics.enabled"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(section: dict[str, Any], key: str, nearest: str) -> None:
    assert mistakes(**section) == (f"{key}: is not a known key; the nearest one is `{nearest}`",)


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"web": []}, "web: must be a group of keys, not a list"),
        ({"web": {"public_url": "ill.example.org/"}}, "web.public_url: write it as https://ill.example.org"),
        ({"delivery": {"enabled": "perhaps"}}, "delivery.enabled: must be true or false, not this text"),
        ({"delivery": {"transports": "email"}}, "delivery.transports: must be a list, not this text"),
        ({"delivery": {"transports": ["fax"]}}, "delivery.transports[0]: must be one of email, sms"),
        ({"delivery": {"transports": []}}, "delivery.transports: names no transport"),
        ({"delivery": {"give_up_after": "soon"}}, "delivery.give_up_after: write a duration like 30s"),
        ({"delivery": {"lease": "2h"}}, "delivery.lease: must be from 1s to 1h"),
        ({"delivery": {"retry": {"first_delay": "2h"}}}, "delivery.retry.longest_delay: must not be shorter"),
        ({"delivery": {"smtp": {"host": "m", "user": "u"}}}, "delivery.smtp.password: is missing"),
        ({"callbacks": {"keep_receipts_for": "1d"}}, "callbacks.keep_receipts_for: must be from 14d to 3650d"),
        ({"partners": {"category": ""}}, "partners.category: is empty"),
        ({"partners": {"category": 12}}, "partners.category: must be a text, not a number; put it in quotes"),
        ({"partners": {"category": None}}, "partners.category: is empty"),
        ({"backends": {"V": {"callbacks": {}}}}, "backends.V.callbacks.authentication: is missing"),
        (
            {"backends": {"V": {"callbacks": {"authentication": []}}}},
            "backends.V.callbacks.authentication: is empty",
        ),
        (
            {"backends": {"V": {"callbacks": {"authentication": [{"method": "none"}]}}}},
            "backends.V.callbacks.authentication[0].method: must be one of standard-webhooks, hmac",
        ),
        (
            {"backends": {"V": {"callbacks": {"authentication": [
                {"method": "standard-webhooks", "secrets": ["whsec_c2hvcnQ="]}]}}}},
            "backends.V.callbacks.authentication[0].secrets[0]: must be `whsec_` and the base64",
        ),
        (
            {"backends": {"V": {"callbacks": {"authentication": [
                {"method": "client-certificate", "fingerprints": ["ab:cd"]}]}}}},
            "backends.V.callbacks.authentication[0].fingerprints[0]: is not a SHA-256 fingerprint",
        ),
    ],
)  # fmt: skip
def test_a_mistake_says_what_is_wrong_and_how_to_fix_it(section: dict[str, Any], problem: str) -> None:
    assert mistakes(**section)[0].startswith(problem)


def test_without_koha_the_two_ways_to_name_it_are_suggested() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_settings({"koha": {}})

    assert caught.value.problems == (
        "koha.database.name: is missing; set it, or set `koha.conf` to the path of Koha's koha-conf.xml",
        "koha.database.user: is missing; set it, or set `koha.conf` to the path of Koha's koha-conf.xml",
    )


def test_an_unknown_time_zone_is_rejected() -> None:
    with pytest.raises(ConfigurationError, match="'Europe/Pariss' is not a time zone"):
        parse_settings({"koha": {**KOHA, "timezone": "Europe/Pariss"}})


def test_values_come_from_files_and_the_environment(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(" s3cret with spaces \n", encoding="utf-8")
    path = tmp_path / "config.yaml"
    path.write_text(
        "koha: {database: {name: {env: DB}, user: u, port: {env: PORT}, password: {file: password}}}\n",
        encoding="utf-8",
    )

    database = load_settings(path, environment={"DB": "koha_x", "PORT": "3307"}).koha.database

    assert (database.database, database.port) == ("koha_x", 3307)
    assert database.password.reveal() == " s3cret with spaces "


def test_a_missing_file_or_variable_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, "koha: {database: {name: {env: NOPE}, user: {file: nope}}}")

    assert caught.value.problems == (
        "koha.database.name: the environment variable NOPE is not set",
        f"koha.database.user: {tmp_path}/nope: there is no such file",
    )


def test_no_secret_appears_in_a_repr_or_a_mistake() -> None:
    secret = "swordfish and more of it"
    bearer = {"method": "bearer", "tokens": [secret]}
    settings = read(
        delivery={"smtp": {"host": "m", "user": "u", "password": secret}},
        backends={"V": {"callbacks": {"authentication": [bearer]}}},
    )

    assert secret not in repr(settings)
    assert secret not in str(mistakes(delivery={"smtp": {"host": "m", "password": [secret]}}))
    assert secret not in str(mistakes(delivery={"connections": secret}))


def test_localhost_is_the_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "mysqld.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        database = parse_settings({"koha": KOHA}, environment={"MYSQL_UNIX_PORT": str(path)}).koha.database
        remote = parse_settings(
            {"koha": {"database": {**KOHA["database"], "host": "127.0.0.1"}}},
            environment={"MYSQL_UNIX_PORT": str(path)},
        ).koha.database

    assert database.socket == path
    assert remote.socket is None


def test_smtp_without_a_host_leaves_the_choice_to_koha() -> None:
    assert read(delivery={"smtp": {"host": None, "port": 25, "timeout": "60s"}}).delivery.smtp is None
    assert read(delivery={"smtp": None}).delivery.smtp is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("koha: {a: 1, a: 2}", ":1:14: the key 'a' is given twice"),
        ("a: &x 1\nb: *x\n", ":2:6: anchors and aliases are not supported"),
        ("koha: [", "while parsing|expected the node content|did not find"),
        ("koha: !!python/object:os.system {}", "could not determine a constructor"),
        ("? [a]\n: 1\n", "a key must be plain text"),
        ("a: " + "[" * 3000, "nested too deeply"),
        ("\x00", "not YAML"),
        ("just a text", "the file must be a group of keys"),
    ],
)
def test_invalid_yaml_is_reported_on_one_line(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        load(tmp_path, text)

    assert all("\n" not in line for line in caught.value.problems)


def test_a_file_in_another_encoding_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes("koha: é".encode("latin-1"))

    with pytest.raises(ConfigurationError, match="is not UTF-8 text"):
        load_settings(path)


def test_a_huge_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is larger than"):
        load(tmp_path, "# " + "x" * 1_100_000)


def test_the_error_for_a_missing_file_names_the_example(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="copy config"):
        load_settings(tmp_path / "none.yaml")


_NAMES = sorted({part for key in known_keys() for part in key.replace("[]", "").split(".")} | {"file", "env"})
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("~nobody/x"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_NAMES) | st.text() | st.integers(), inner, max_size=6)
    ),
    max_leaves=25,
)


@given(document=st.fixed_dictionaries({"koha": _ANYTHING | st.just(KOHA)}, optional={"web": _ANYTHING,
       "delivery": _ANYTHING, "backends": _ANYTHING, "scheduler": _ANYTHING, "callbacks": _ANYTHING}))  # fmt: skip
def test_any_document_is_read_or_rejected(document: dict[str, object]) -> None:
    with contextlib.suppress(ConfigurationError):
        assert isinstance(parse_settings(document, environment={}), Settings)
