"""Who may use the staff interface, and what Koha's log records about it."""

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import bcrypt
import pytest
import yaml
from recordings import recording
from sqlalchemy import Engine, text

from cast import ADA, CLARA, DORA, RIVERSIDE, SAM, SUPER
from koha_ill_sidecar.domain.actors import Permission
from koha_ill_sidecar.services.people import sign_in
from koha_ill_sidecar.services.people.sign_in import SignedIn, SignInRefusal
from koha_ill_sidecar.storage.database import Database
from koha_ill_sidecar.storage.koha import sessions as koha_sessions
from koha_ill_sidecar.storage.sidecar import sessions
from koha_ill_sidecar.storage.transaction import Transaction

ADDRESS = "192.0.2.7"
SESSION = "7d7c14f03bd00d8ad0818b6d6c5ad382"
PASSWORD = "correct horse"
_HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4, prefix=b"2a")).decode()


def _preference(admin: Engine, database: Database, **values: str) -> None:
    with admin.begin() as connection:
        for name, value in values.items():
            connection.execute(
                text("REPLACE INTO systempreferences (variable, value) VALUES (:name, :value)"),
                {"name": name, "value": value},
            )
    database.cache.clear()


def _account(admin: Engine, borrowernumber: int, **columns: object) -> None:
    given = {"password": _HASH, **columns}
    with admin.begin() as connection:
        connection.execute(
            text(
                f"UPDATE borrowers SET {', '.join(f'`{name}` = :{name}' for name in given)}"
                " WHERE borrowernumber = :borrowernumber"
            ),
            {**given, "borrowernumber": borrowernumber},
        )


def _koha_session(admin: Engine, borrowernumber: int = CLARA, **values: object) -> str:
    session = {
        "_SESSION_ID": SESSION,
        "branch": RIVERSIDE,
        "id": "clara",
        "interface": "intranet",
        "ip": ADDRESS,
        "lasttime": int(time.time()) - 30,
        "number": borrowernumber,
        **values,
    }
    with admin.begin() as connection:
        connection.execute(
            text("INSERT INTO sessions (id, a_session) VALUES (:id, :session)"),
            {"id": SESSION, "session": yaml.safe_dump(session, allow_unicode=True)},
        )
    return SESSION


def _stored(admin: Engine) -> str:
    with admin.connect() as connection:
        stored = connection.scalars(text("SELECT a_session FROM sessions")).one()
    return stored.decode() if isinstance(stored, bytes) else str(stored)


def _attempts(admin: Engine, borrowernumber: int) -> int:
    with admin.connect() as connection:
        statement = text("SELECT login_attempts FROM borrowers WHERE borrowernumber = :number")
        return int(connection.scalars(statement, {"number": borrowernumber}).one() or 0)


def _by_password(database: Database, name: str = "clara", password: str = PASSWORD, at: str = "") -> object:
    return database.transact(sign_in.by_password, name, password, at)


@pytest.mark.all_versions
class TestPassword:
    def test_signs_in_by_userid_and_by_card_number(self, database: Database, admin: Engine) -> None:
        _account(admin, CLARA)

        for name in ("clara", "CLARA", "20000002"):
            signed_in = _by_password(database, name)
            assert isinstance(signed_in, SignedIn)
            assert signed_in.member.borrowernumber == CLARA
            assert signed_in.member.branchcode == ADA
            assert signed_in.member.permissions == {Permission.CATALOGUE, Permission.ILL}

    def test_a_superlibrarian_has_every_permission(self, database: Database, admin: Engine) -> None:
        _account(admin, SUPER)

        signed_in = _by_password(database, "super")

        assert isinstance(signed_in, SignedIn)
        assert signed_in.member.permissions == frozenset(Permission)

    def test_one_part_of_circulation_is_enough_to_check_out(self, database: Database, admin: Engine) -> None:
        _account(admin, CLARA)
        with admin.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO user_permissions (borrowernumber, module_bit, code)"
                    f" VALUES ({CLARA}, 1, 'circulate_remaining_permissions')"
                )
            )

        signed_in = _by_password(database)

        assert isinstance(signed_in, SignedIn)
        assert signed_in.member.may(Permission.CIRCULATE)

    def test_a_refusal_names_the_missing_permission(self, database: Database, admin: Engine) -> None:
        _account(admin, DORA)
        _account(admin, SAM)

        assert _by_password(database, "dora") is SignInRefusal.NO_ILL_PERMISSION
        assert _by_password(database, "sam") is SignInRefusal.NO_STAFF_ACCESS

    def test_wrong_passwords_are_counted_until_a_right_one(self, database: Database, admin: Engine) -> None:
        _account(admin, CLARA)

        assert _by_password(database, password="wrong") is SignInRefusal.WRONG_PASSWORD
        assert _by_password(database, password="wrong") is SignInRefusal.WRONG_PASSWORD
        assert _attempts(admin, CLARA) == 2
        assert isinstance(_by_password(database), SignedIn)
        assert _attempts(admin, CLARA) == 0

    def test_too_many_wrong_passwords_lock(self, database: Database, admin: Engine) -> None:
        _account(admin, CLARA, login_attempts=3)
        _preference(admin, database, FailedLoginAttempts="3")

        assert _by_password(database) is SignInRefusal.LOCKED
        assert _by_password(database, password="wrong") is SignInRefusal.LOCKED
        assert _attempts(admin, CLARA) == 3

    def test_guesses_at_the_same_time_are_counted_one_by_one(self, database: Database, admin: Engine) -> None:
        _account(admin, CLARA)
        _preference(admin, database, FailedLoginAttempts="3")

        with ThreadPoolExecutor(8) as pool:
            outcomes = list(pool.map(lambda guess: _by_password(database, password=guess), "abcdefgh"))

        assert Counter(outcomes) == {SignInRefusal.WRONG_PASSWORD: 3, SignInRefusal.LOCKED: 5}
        assert _attempts(admin, CLARA) == 3

    def test_an_administrators_lock_needs_no_preference(self, database: Database, admin: Engine) -> None:
        _account(admin, CLARA, login_attempts=-1)

        assert _by_password(database) is SignInRefusal.LOCKED

    @pytest.mark.parametrize("name", ["nobody", "", "' OR 1=1 -- ", "%"])
    def test_an_unknown_name_is_refused_like_a_wrong_password(
        self, database: Database, admin: Engine, name: str
    ) -> None:
        _account(admin, CLARA)

        assert _by_password(database, name) is SignInRefusal.WRONG_PASSWORD

    def test_the_anonymous_patron_never_gets_in(self, database: Database, admin: Engine) -> None:
        _account(admin, CLARA)
        _preference(admin, database, AnonymousPatron=str(CLARA))

        assert _by_password(database) is SignInRefusal.WRONG_PASSWORD

    def test_sign_ins_are_logged_if_the_preferences_say_so(self, database: Database, admin: Engine) -> None:
        _account(admin, CLARA)
        _preference(admin, database, AuthSuccessLog="1", AuthFailureLog="1")

        _by_password(database)
        _by_password(database, password="wrong")
        _by_password(database, "nobody")

        with admin.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT action, object, interface FROM action_logs WHERE module = 'AUTH' ORDER BY action_id"
                )
            ).all()
        assert [tuple(row) for row in rows] == [
            ("SUCCESS", CLARA, "intranet"),
            ("FAILURE", CLARA, "intranet"),
            ("FAILURE", 0, "intranet"),
        ]


class TestPasswordOfNewerKohas:
    def test_an_expired_password_is_refused(self, database: Database, admin: Engine) -> None:
        _account(admin, CLARA, password_expiration_date="2020-01-01")

        assert _by_password(database) is SignInRefusal.PASSWORD_EXPIRED

    def test_a_password_is_valid_on_its_last_day(self, database: Database, admin: Engine) -> None:
        with admin.connect() as connection:
            today = connection.scalars(text("SELECT CURDATE()")).one()
        _account(admin, CLARA, password_expiration_date=today)

        assert isinstance(_by_password(database), SignedIn)

    @pytest.mark.parametrize(
        ("mode", "method", "refused"),
        [
            ("disabled", "two-factor", False),
            ("enabled", "password", False),
            ("enabled", "two-factor", True),
            ("enforced", "password", True),
        ],
    )
    def test_a_second_factor_is_left_to_koha(
        self, database: Database, admin: Engine, mode: str, method: str, *, refused: bool
    ) -> None:
        _account(admin, CLARA, auth_method=method)
        _preference(admin, database, TwoFactorAuthentication=mode)

        assert (_by_password(database) is SignInRefusal.SECOND_FACTOR) is refused


class TestOwnSession:
    def _token(self, database: Database, admin: Engine) -> str:
        _account(admin, CLARA)
        signed_in = _by_password(database)
        assert isinstance(signed_in, SignedIn)
        return signed_in.token

    def test_it_signs_in_again(self, database: Database, admin: Engine) -> None:
        token = self._token(database, admin)

        again = database.transact(sign_in.by_token, token)

        assert isinstance(again, SignedIn)
        assert again.member.borrowernumber == CLARA

    def test_only_a_hash_of_the_token_is_stored(self, database: Database, admin: Engine) -> None:
        token = self._token(database, admin)

        with admin.connect() as connection:
            rows = connection.execute(text("SELECT * FROM ill_sidecar_sessions")).mappings().all()
        assert token not in str(rows)

    def test_signing_out_ends_it(self, database: Database, admin: Engine) -> None:
        token = self._token(database, admin)

        database.transact(sign_in.sign_out, token)

        assert database.transact(sign_in.by_token, token) is SignInRefusal.SESSION_EXPIRED

    def test_it_ends_when_it_is_not_used_for_long(self, database: Database, admin: Engine) -> None:
        token = self._token(database, admin)
        _preference(admin, database, timeout="1h")
        with admin.begin() as connection:
            connection.execute(
                text("UPDATE ill_sidecar_sessions SET last_used_at = UTC_TIMESTAMP(6) - INTERVAL 59 MINUTE")
            )

        assert isinstance(database.transact(sign_in.by_token, token), SignedIn)
        # Used now, so it lasts for another hour.
        with admin.begin() as connection:
            connection.execute(
                text("UPDATE ill_sidecar_sessions SET last_used_at = last_used_at - INTERVAL 59 MINUTE")
            )
        assert isinstance(database.transact(sign_in.by_token, token), SignedIn)
        with admin.begin() as connection:
            connection.execute(
                text("UPDATE ill_sidecar_sessions SET last_used_at = UTC_TIMESTAMP(6) - INTERVAL 61 MINUTE")
            )
        assert database.transact(sign_in.by_token, token) is SignInRefusal.SESSION_EXPIRED

    def test_it_ends_with_the_permission(self, database: Database, admin: Engine) -> None:
        token = self._token(database, admin)
        _account(admin, CLARA, flags=0)

        assert database.transact(sign_in.by_token, token) is SignInRefusal.NO_STAFF_ACCESS

    def test_it_ends_when_the_password_changes(self, database: Database, admin: Engine) -> None:
        token = self._token(database, admin)
        _account(admin, CLARA, password="$2a$08$another")

        assert database.transact(sign_in.by_token, token) is SignInRefusal.SESSION_EXPIRED

    @pytest.mark.all_versions
    def test_it_ends_when_the_password_expires(self, database: Database, admin: Engine) -> None:
        token = self._token(database, admin)
        if not database.koha().has("borrowers", "password_expiration_date"):
            pytest.skip("passwords do not expire in this version")
        _account(admin, CLARA, password_expiration_date="2020-01-01")

        assert database.transact(sign_in.by_token, token) is SignInRefusal.PASSWORD_EXPIRED

    def test_wrong_passwords_of_others_do_not_end_it(self, database: Database, admin: Engine) -> None:
        token = self._token(database, admin)
        _preference(admin, database, FailedLoginAttempts="3")
        for _ in range(4):
            _by_password(database, password="wrong")

        assert _by_password(database) is SignInRefusal.LOCKED
        assert isinstance(database.transact(sign_in.by_token, token), SignedIn)

    def test_a_lock_by_staff_ends_it(self, database: Database, admin: Engine) -> None:
        token = self._token(database, admin)
        _account(admin, CLARA, login_attempts=-1)

        assert database.transact(sign_in.by_token, token) is SignInRefusal.LOCKED

    def test_unused_ones_are_removed(self, database: Database, admin: Engine) -> None:
        self._token(database, admin)
        with admin.begin() as connection:
            connection.execute(
                text("UPDATE ill_sidecar_sessions SET last_used_at = UTC_TIMESTAMP(6) - INTERVAL 9 DAY")
            )

        assert database.transact(sessions.remove_unused, seconds=86_400) == 1
        assert database.transact(sessions.remove_unused, seconds=86_400) == 0

    def test_the_library_to_work_at_can_be_changed(self, database: Database, admin: Engine) -> None:
        token = self._token(database, admin)

        def move(tx: Transaction, branchcode: str) -> object:
            signed_in = sign_in.by_token(tx, token)
            assert isinstance(signed_in, SignedIn)
            return sign_in.set_library(tx, signed_in, branchcode)

        assert database.transact(move, RIVERSIDE) is None
        moved = database.transact(sign_in.by_token, token)
        assert isinstance(moved, SignedIn)
        assert (moved.member.branchcode, moved.member.branchname) == (RIVERSIDE, "Riverside")
        assert database.transact(move, "NOWHERE") is SignInRefusal.NOT_AT_LIBRARY

    def test_independent_branches_bind_to_ones_own(self, database: Database, admin: Engine) -> None:
        _account(admin, CLARA)
        _account(admin, SUPER)
        _preference(admin, database, IndependentBranches="1")

        assert _by_password(database, at=RIVERSIDE) is SignInRefusal.NOT_AT_LIBRARY
        assert isinstance(_by_password(database, at=ADA), SignedIn)
        boss = _by_password(database, "super", at=RIVERSIDE)
        assert isinstance(boss, SignedIn)
        assert boss.member.branchcode == RIVERSIDE


class TestKohaSession:
    def _enter(self, database: Database, session_id: str = SESSION, address: str = ADDRESS) -> object:
        return database.transact(sign_in.by_koha_session, session_id, address)

    def test_a_koha_session_signs_in_at_its_library(self, database: Database, admin: Engine) -> None:
        _koha_session(admin)

        signed_in = self._enter(database)

        assert isinstance(signed_in, SignedIn)
        assert (signed_in.member.borrowernumber, signed_in.member.branchcode) == (CLARA, RIVERSIDE)

    def test_a_session_as_koha_writes_it_is_read(self, database: Database, admin: Engine) -> None:
        recorded = recording("koha-session.json")["row"]
        written = recorded["a_session"].replace("number: 19", f"number: {SUPER}")
        _preference(admin, database, timeout="9999d")
        with admin.begin() as connection:
            connection.execute(
                text("INSERT INTO sessions (id, a_session) VALUES (:id, :session)"),
                {"id": recorded["id"], "session": written},
            )

        signed_in = self._enter(database, recorded["id"], "127.0.0.1")

        assert isinstance(signed_in, SignedIn)
        assert signed_in.member.borrowernumber == SUPER

    def test_it_costs_two_queries(
        self,
        database: Database,
        admin: Engine,
        queries: Callable[[], AbstractContextManager[list[str]]],
    ) -> None:
        _koha_session(admin)
        self._enter(database)

        with queries() as seen:
            self._enter(database)

        assert len(seen) == 2

    def test_a_session_that_is_used_here_is_extended(self, database: Database, admin: Engine) -> None:
        _koha_session(admin, lasttime=int(time.time()) - 500, surname="Ødegård 雪")
        before = _stored(admin)

        self._enter(database)

        after = _stored(admin)
        lines = zip(before.splitlines(), after.splitlines(), strict=True)
        ((was, now),) = ((one, other) for one, other in lines if one != other)
        assert was.startswith("lasttime: ")
        assert yaml.safe_load(now)["lasttime"] >= int(time.time()) - 60

    @pytest.mark.parametrize(("borrowernumber", "seconds_ago"), [(CLARA, 20), (SAM, 500)])
    def test_it_is_extended_once_a_minute_and_only_after_signing_in(
        self, database: Database, admin: Engine, borrowernumber: int, seconds_ago: int
    ) -> None:
        _koha_session(admin, borrowernumber, lasttime=int(time.time()) - seconds_ago)
        before = _stored(admin)

        self._enter(database)

        assert _stored(admin) == before

    def test_changes_by_koha_in_the_meantime_stay(self, tx: Transaction, admin: Engine) -> None:
        _koha_session(admin)
        session = koha_sessions.find(tx, SESSION)
        assert session is not None
        with admin.begin() as connection:
            connection.execute(text("UPDATE sessions SET a_session = REPLACE(a_session, 'CPL', 'MPL')"))
            connection.execute(text("UPDATE sessions SET a_session = CONCAT(a_session, 'basket: 7\n')"))
        before = _stored(admin)

        koha_sessions.extend(tx, session, used_at=int(time.time()))
        tx.connection.commit()

        assert _stored(admin) == before

    @pytest.mark.parametrize(
        ("values", "refusal"),
        [
            ({"interface": "opac"}, SignInRefusal.NOT_SIGNED_IN),
            ({"id": ""}, SignInRefusal.NOT_SIGNED_IN),
            ({"waiting-for-2FA": 1}, SignInRefusal.NOT_SIGNED_IN),
            ({"waiting-for-2FA-setup": 1}, SignInRefusal.NOT_SIGNED_IN),
            ({"lasttime": int(time.time()) - 700}, SignInRefusal.SESSION_EXPIRED),
            ({"lasttime": ""}, SignInRefusal.SESSION_EXPIRED),
            ({"ip": "192.0.2.8"}, SignInRefusal.OTHER_ADDRESS),
            ({"number": 0}, SignInRefusal.NO_PATRON),
            ({"number": 99999}, SignInRefusal.NOT_SIGNED_IN),
            ({"number": DORA}, SignInRefusal.NO_ILL_PERMISSION),
            ({"number": SAM}, SignInRefusal.NO_STAFF_ACCESS),
            ({"_SESSION_ID": "another"}, SignInRefusal.NOT_SIGNED_IN),
        ],
    )
    def test_others_are_not(
        self, database: Database, admin: Engine, values: dict[str, object], refusal: SignInRefusal
    ) -> None:
        _koha_session(admin, **values)  # type: ignore[arg-type]

        assert self._enter(database) is refusal

    def test_the_address_does_not_count_where_the_preference_is_off(
        self, database: Database, admin: Engine
    ) -> None:
        _koha_session(admin)
        _preference(admin, database, SessionRestrictionByIP="0")

        assert isinstance(self._enter(database, address="198.51.100.1"), SignedIn)

    @pytest.mark.parametrize("session_id", ["", "x" * 32, "' OR '1'='1", SESSION.upper(), SESSION + " "])
    def test_no_other_cookie_signs_in(self, database: Database, admin: Engine, session_id: str) -> None:
        _koha_session(admin)

        assert self._enter(database, session_id) is SignInRefusal.NOT_SIGNED_IN

    @pytest.mark.parametrize(
        "stored",
        [
            "",
            "---\n",
            "- a list",
            "just text",
            "--- !!python/object/apply:os.system ['true']",
            "--- !!perl/hash:Evil\nid: clara\n",
            "a: &a [*a, *a]",
            "{" * 5000,
            "\ufffd: \x01",
        ],
    )
    def test_an_invalid_session_does_not_sign_in(
        self, database: Database, admin: Engine, stored: str
    ) -> None:
        with admin.begin() as connection:
            connection.execute(
                text("INSERT INTO sessions (id, a_session) VALUES (:id, :session)"),
                {"id": SESSION, "session": stored},
            )

        assert self._enter(database) is SignInRefusal.NOT_SIGNED_IN
