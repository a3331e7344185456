"""
Signing in to the staff interface with a Koha account: by Koha's own session, or by its password.

A password is checked as Koha checks it, failures are counted where Koha counts them, and both are logged in Koha's log.
Sign-in by LDAP, CAS, Shibboleth or a second factor works through Koha's session only.

Source: Koha, C4/Auth.pm checkauth, check_cookie_auth, checkpw, and Koha/Patron.pm account_locked.
"""

import secrets
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from koha_ill_sidecar.config.settings import LoginMethod
from koha_ill_sidecar.domain import passwords
from koha_ill_sidecar.domain.actors import Actor, Interface, Permission, StaffMember, session_seconds
from koha_ill_sidecar.storage.koha import action_logs, libraries, staff_accounts
from koha_ill_sidecar.storage.koha import sessions as koha_sessions
from koha_ill_sidecar.storage.koha.staff_accounts import StaffAccount
from koha_ill_sidecar.storage.sidecar import sessions
from koha_ill_sidecar.storage.transaction import Transaction

KOHA_COOKIE = koha_sessions.COOKIE

_STAFF_INTERFACE = "intranet"
_EXTEND_AFTER_SECONDS = 60  # since the last extension of Koha's session: a write for every page would be slow


class SignInRefusal(StrEnum):
    """Why somebody is not signed in."""

    NOT_SIGNED_IN = "not_signed_in"
    SESSION_EXPIRED = "session_expired"
    OTHER_ADDRESS = "other_address"  # another IP address than the session's (SessionRestrictionByIP)
    NO_PATRON = "no_patron"  # Koha's database administrator, who is not a patron
    WRONG_PASSWORD = "wrong_password"  # noqa: S105
    LOCKED = "locked"
    PASSWORD_EXPIRED = "password_expired"  # noqa: S105
    SECOND_FACTOR = "second_factor"
    NO_STAFF_ACCESS = "no_staff_access"
    NO_ILL_PERMISSION = "no_ill_permission"
    NOT_AT_LIBRARY = "not_at_library"


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedIn:
    """
    Somebody who is signed in.

    Attributes:
        token: The value for their cookie; with Koha's session, the value of Koha's cookie.
        libraries: Names of all libraries, by code.
        workplaces: Names of the libraries that they may choose to work at, by code.
    """

    member: StaffMember
    token: str
    libraries: Mapping[str, str]
    workplaces: Mapping[str, str]


def identify(
    tx: Transaction, methods: Collection[LoginMethod], *, token: str, koha_session: str, address: str
) -> SignedIn | SignInRefusal:
    """
    Return who is signed in, here or in Koha, else the most specific reason why not.

    Args:
        methods: The ways of signing in that the settings allow.
        token, koha_session: The values of the cookies; empty without a cookie.
        address: The client's IP address.
    """
    refusal = SignInRefusal.NOT_SIGNED_IN
    if LoginMethod.PASSWORD in methods and token:
        outcome = by_token(tx, token)
        if isinstance(outcome, SignedIn):
            return outcome
        refusal = outcome
    if LoginMethod.KOHA_SESSION in methods and koha_session:
        outcome = by_koha_session(tx, koha_session, address)
        if isinstance(outcome, SignedIn) or refusal is SignInRefusal.NOT_SIGNED_IN:
            return outcome
    return refusal


def by_koha_session(tx: Transaction, session_id: str, address: str) -> SignedIn | SignInRefusal:
    """Sign in with a session of Koha's staff interface; two or three queries."""
    session = koha_sessions.find(tx, session_id)
    if session is None or session.interface != _STAFF_INTERFACE or session.waits_for_second_factor:
        return SignInRefusal.NOT_SIGNED_IN
    now = int(time.time())
    if session.last_used < now - session_seconds(tx.preferences.text("timeout")):
        return SignInRefusal.SESSION_EXPIRED
    if tx.preferences.flag("SessionRestrictionByIP", default=True) and session.address != address:
        return SignInRefusal.OTHER_ADDRESS
    if not session.borrowernumber:
        return SignInRefusal.NO_PATRON
    account = staff_accounts.find(tx, session.borrowernumber)
    if account is None:
        return SignInRefusal.NOT_SIGNED_IN
    signed_in = _sign_in(tx, account, session_id, branchcode=session.branchcode)
    if isinstance(signed_in, SignedIn) and session.last_used < now - _EXTEND_AFTER_SECONDS:
        koha_sessions.extend(tx, session, used_at=now)
    return signed_in


def by_token(tx: Transaction, token: str) -> SignedIn | SignInRefusal:
    """Sign in with a session of our own; two or three queries."""
    session = sessions.find(tx, token, lasts_seconds=session_seconds(tx.preferences.text("timeout")))
    if session is None:
        return SignInRefusal.SESSION_EXPIRED
    account = staff_accounts.find(tx, session.borrowernumber)
    if account is None or not sessions.has_password(session, account.password):
        return SignInRefusal.SESSION_EXPIRED
    # Failed attempts do not end a session: anybody can make them.
    if _is_blocked(account):
        return SignInRefusal.LOCKED
    if account.is_password_expired:
        return SignInRefusal.PASSWORD_EXPIRED
    return _sign_in(tx, account, token, branchcode=session.branchcode)


def by_password(tx: Transaction, name: str, password: str, branchcode: str = "") -> SignedIn | SignInRefusal:
    """
    Sign in with userid or card number, and password.

    The transaction must be committed even after a refusal, because failures are counted.

    Args:
        branchcode: The library to work at; empty for the account's own.
    """
    accounts = staff_accounts.lock_for_sign_in(tx, name)
    if not accounts:
        passwords.matches(None, password)  # so that the response time does not reveal which names exist
        return _failed(tx, None, name, SignInRefusal.WRONG_PASSWORD)
    right = next((account for account in accounts if passwords.matches(account.password, password)), None)
    account = right or accounts[0]
    if _is_locked(tx, account):
        return _failed(tx, account, name, SignInRefusal.LOCKED)
    if right is None:
        staff_accounts.add_failed_attempt(tx, account.borrowernumber)
        return _failed(tx, account, name, SignInRefusal.WRONG_PASSWORD)
    if refusal := _refusal_after_password(tx, account):
        return _failed(tx, account, name, refusal)
    staff_accounts.reset_failed_attempts(tx, account.borrowernumber)
    signed_in = _sign_in(tx, account, secrets.token_urlsafe(32), branchcode=branchcode)
    if isinstance(signed_in, SignInRefusal):
        return _failed(tx, account, name, signed_in)
    if signed_in.member.branchcode not in signed_in.workplaces:
        return SignInRefusal.NOT_AT_LIBRARY
    _begin(tx, signed_in, account.password)
    return signed_in


def set_library(tx: Transaction, signed_in: SignedIn, branchcode: str) -> SignInRefusal | None:
    """Change the library that somebody who signed in here works at."""
    if branchcode not in signed_in.workplaces:
        return SignInRefusal.NOT_AT_LIBRARY
    sessions.set_library(tx, signed_in.token, branchcode)
    return None


def libraries_to_choose(tx: Transaction) -> Mapping[str, str]:
    """
    Return the libraries offered on the sign-in page, by code; none with IndependentBranches.

    Source: Koha, koha-tmpl/intranet-tmpl/prog/en/modules/auth.tt.
    """
    return {} if _is_bound(tx) else libraries.names(tx)


def sign_out(tx: Transaction, token: str) -> None:
    """End a session of our own."""
    sessions.end(tx, token)


def _begin(tx: Transaction, signed_in: SignedIn, password: str | None) -> None:
    member = signed_in.member
    sessions.begin(
        tx,
        signed_in.token,
        borrowernumber=member.borrowernumber,
        branchcode=member.branchcode,
        password=password,
    )
    if tx.preferences.flag("AuthSuccessLog"):
        action_logs.add_sign_in(tx, member.borrowernumber, succeeded=True, name=member.userid, actor=member)


def _refusal_after_password(tx: Transaction, account: StaffAccount) -> SignInRefusal | None:
    """Return the reason why somebody with the right password is refused, if there is one."""
    if account.is_password_expired:
        return SignInRefusal.PASSWORD_EXPIRED
    if str(account.borrowernumber) == tx.preferences.text("AnonymousPatron"):
        return SignInRefusal.WRONG_PASSWORD
    mode = tx.preferences.text("TwoFactorAuthentication", "disabled")
    if mode == "enforced" or (mode in ("enabled", "1") and account.auth_method == "two-factor"):
        return SignInRefusal.SECOND_FACTOR
    return None


def _is_locked(tx: Transaction, account: StaffAccount) -> bool:
    most = tx.preferences.number("FailedLoginAttempts") or 0
    return _is_blocked(account) or 0 < most <= account.login_attempts


def _is_blocked(account: StaffAccount) -> bool:
    """
    Return whether staff have locked the account.

    Source: Koha, Koha/Patron.pm account_locked: ``login_attempts`` is -1.
    """
    return account.login_attempts < 0


def _sign_in(
    tx: Transaction, account: StaffAccount, token: str, *, branchcode: str
) -> SignedIn | SignInRefusal:
    names = libraries.names(tx)
    member = staff_accounts.as_staff_member(account, names, branchcode)
    if not member.may(Permission.CATALOGUE):
        return SignInRefusal.NO_STAFF_ACCESS
    if not member.may(Permission.ILL):
        return SignInRefusal.NO_ILL_PERMISSION
    is_bound = _is_bound(tx) and not member.is_superlibrarian
    workplaces = {code: name for code, name in names.items() if code == account.branchcode or not is_bound}
    return SignedIn(member=member, token=token, libraries=names, workplaces=workplaces)


def _is_bound(tx: Transaction) -> bool:
    """
    Return whether people can work at their own library only.

    Source: Koha, C4/Auth.pm checkauth: with IndependentBranches, except for superlibrarians.
    """
    return tx.preferences.flag("IndependentBranches")


def _failed(
    tx: Transaction, account: StaffAccount | None, name: str, refusal: SignInRefusal
) -> SignInRefusal:
    if tx.preferences.flag("AuthFailureLog"):
        number = account.borrowernumber if account else 0
        actor = Actor(interface=Interface.INTRANET)
        action_logs.add_sign_in(tx, number, succeeded=False, name=name, actor=actor)
    return refusal
