"""koha-conf.xml is read as Koha reads it."""

from datetime import timedelta
from pathlib import Path

import pytest

from koha_ill_sidecar.config.koha_conf import read_koha_conf
from koha_ill_sidecar.config.loading import parse_settings
from koha_ill_sidecar.config.settings import (
    BrokerSettings,
    DatabaseSettings,
    DatabaseTLS,
    IllSite,
    KohaSettings,
    LimitMethod,
    RequestLimit,
    SmtpSettings,
    SSLMode,
)
from koha_ill_sidecar.config.values import Secret
from koha_ill_sidecar.errors import ConfigurationError

DATABASE = """
 <db_scheme>mysql</db_scheme>
 <database>koha_library</database>
 <hostname>db.example.org</hostname>
 <port>3306</port>
 <user>koha_library</user>
 <pass>a&amp;b &lt;c&gt;</pass>
 <tls>__DB_USE_TLS__</tls>
 <ca>__DB_TLS_CA_CERTIFICATE__</ca>
 <timezone></timezone>
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "koha-conf.xml"


def read(path: Path, more: str = "", database: str = DATABASE) -> KohaSettings:
    path.write_text(
        f"<yazgfs>\n<listen id='biblioserver'>unix:/x</listen>\n<config>{database}{more}</config>\n</yazgfs>",
        encoding="utf-8",
    )
    return read_koha_conf(path)


def test_the_database_is_read_with_entities_decoded_and_placeholders_ignored(path: Path) -> None:
    assert read(path).database == DatabaseSettings(
        host="db.example.org",
        database="koha_library",
        user="koha_library",
        password=Secret("a&b <c>"),
    )


def test_tls_and_time_zone(path: Path) -> None:
    database = DATABASE.replace("__DB_USE_TLS__", "yes").replace(
        "__DB_TLS_CA_CERTIFICATE__", "/etc/ssl/db.pem"
    )

    conf = read(path, database=database.replace("<timezone>", "<timezone>Asia/Taipei"))

    assert conf.database.tls == DatabaseTLS(enabled=True, ca=Path("/etc/ssl/db.pem"))
    assert conf.database.timezone == "Asia/Taipei"


def test_local_means_the_server_s_own_time_zone(path: Path) -> None:
    assert read(path, database=DATABASE.replace("<timezone>", "<timezone>local")).database.timezone is None


def test_a_developer_s_test_database_takes_precedence(path: Path) -> None:
    assert read(path, "<database_test>koha_test</database_test>").database.database == "koha_test"


def test_interlibrary_loans(path: Path) -> None:
    conf = read(
        path,
        """
        <interlibrary_loans>
          <backend_directory>/usr/share/koha/lib/Koha/Illbackends</backend_directory>
          <framework>ILL</framework>
          <branch><code>CPL</code><prefix>CTR</prefix>
            <request_limit><count>5</count><method>annual</method></request_limit></branch>
          <branch><code>MPL</code><prefix></prefix></branch>
          <borrower_category><code>PT</code><prefix>X</prefix>
            <request_limit><count>1</count></request_limit></borrower_category>
          <borrower_category><code>S</code><request_limit><count>0</count></request_limit></borrower_category>
          <request_limit><count>3</count><method>active</method></request_limit>
          <partner_code>ILLLIBS</partner_code>
        </interlibrary_loans>
        <lockdir>/var/lock/koha/library</lockdir>
        """,
    )

    assert conf.site == IllSite(
        framework="ILL",
        partner_code="ILLLIBS",
        prefixes={"CPL": "CTR"},
        default_limit=RequestLimit(count=3),
        branch_limits={"CPL": RequestLimit(method=LimitMethod.ANNUAL, count=5)},
        category_limits={"PT": RequestLimit(count=1)},
    )
    assert (conf.site.id_prefix("CPL"), conf.site.id_prefix("MPL"), conf.site.id_prefix(None)) == (
        "CTR-",
        "",
        "",
    )
    assert conf.site.branch_limit("MPL").count == 3
    assert conf.site.category_limit("S").count == 3

    assert conf.lock_directory == Path("/var/lock/koha/library")
    assert conf.backend_directory == Path("/usr/share/koha/lib/Koha/Illbackends")


def test_the_mail_server(path: Path) -> None:
    smtp = """<smtp_server><host>mail.example.org</host><port>587</port><timeout>5</timeout>
      <ssl_mode>starttls</ssl_mode><user_name>koha</user_name><password>pw</password><debug>0</debug></smtp_server>"""

    assert read(path, smtp).smtp == SmtpSettings(
        host="mail.example.org",
        port=587,
        timeout=timedelta(seconds=5),
        ssl_mode=SSLMode.STARTTLS,
        user="koha",
        password=Secret("pw"),
    )
    assert read(path).smtp is None


def test_the_message_broker(path: Path) -> None:
    broker = """
     <memcached_namespace>koha_library</memcached_namespace>
     <message_broker>
      <hostname>mq.example.org</hostname><port>61614</port>
      <username>koha</username><password>p&amp;w</password><vhost>library</vhost>
     </message_broker>"""

    assert read(path, broker).broker == BrokerSettings(
        host="mq.example.org",
        port=61614,
        user="koha",
        password=Secret("p&w"),
        vhost="library",
        namespace="koha_library",
    )


def test_the_message_broker_is_on_this_host_by_default(path: Path) -> None:
    namespace = "<memcached_namespace>koha_library</memcached_namespace>"
    expected = BrokerSettings(namespace="koha_library")

    assert read(path, namespace).broker == expected
    assert read(path, f"{namespace}<message_broker><vhost></vhost></message_broker>").broker == expected
    assert (expected.host, expected.port, expected.user, expected.vhost) == ("localhost", 61613, "guest", "/")
    assert expected.queue("elastic_index") == "koha_library-elastic_index"


def test_all_mistakes_are_reported(path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read(
            path,
            "<smtp_server><host>m</host><ssl_mode>tls</ssl_mode></smtp_server>",
            database="<port>x</port><user>a</user><user>b</user>",
        )

    assert [problem.removeprefix(f"{path}: element ") for problem in caught.value.problems] == [
        "`port` must be a number from 1 to 65535, not 'x'",
        "`database` is missing or empty",
        "`user` is given more than once with different values; keep one",
        "`ssl_mode` is 'tls', which Koha does not know",
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("<yazgfs><config>", "is not readable XML"),
        ("<yazgfs/>", "has no element `config`"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "declares entities"),
        ('<?xml version="1.0" encoding="klingon"?><x/>', "is not readable XML"),
    ],
)
def test_other_files_are_rejected(path: Path, content: str, problem: str) -> None:
    path.write_text(content, encoding="utf-8")

    with pytest.raises(ConfigurationError, match=problem):
        read_koha_conf(path)


def test_a_missing_file_is_reported(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        read_koha_conf(path)


def test_our_own_file_overrides_koha_s(path: Path) -> None:
    read(path, "<interlibrary_loans/><smtp_server><host>mail.example.org</host></smtp_server>")

    koha = parse_settings(
        {
            "koha": {
                "conf": str(path),
                "timezone": "Asia/Taipei",
                "database": {"user": "koha_ill_sidecar", "password": "own"},
            },
            "partners": {"category": "PARTNER"},
        }
    ).koha

    assert (koha.database.host, koha.database.database) == ("db.example.org", "koha_library")
    assert (koha.database.user, koha.database.password.reveal()) == ("koha_ill_sidecar", "own")
    assert koha.database.timezone == "Asia/Taipei"
    assert koha.site.partner_code == "PARTNER"
    assert koha.smtp is not None


def test_koha_s_password_is_not_sent_for_another_user(path: Path) -> None:
    read(path)

    database = parse_settings({"koha": {"conf": str(path), "database": {"user": "other"}}}).koha.database

    assert not database.password


def test_koha_s_environment_names_its_file_if_ours_does_not(path: Path) -> None:
    read(path)
    environment = {"KOHA_CONF": str(path)}

    silent = parse_settings(None, environment=environment).koha
    named = parse_settings({"koha": {"database": {"name": "x", "user": "y"}}}, environment=environment).koha

    assert (silent.conf, silent.database.database) == (path, "koha_library")
    assert (named.conf, named.database.database) == (None, "x")
