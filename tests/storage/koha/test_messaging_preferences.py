"""A patron's chosen transports are found as Koha finds them."""

import pytest
from sqlalchemy import Engine

from cast import SAM, WEN
from koha_ill_sidecar.storage.koha import messaging_preferences
from koha_ill_sidecar.storage.transaction import Transaction
from messaging import choose_transports

pytestmark = pytest.mark.all_versions


def test_no_choice_means_no_transport(tx: Transaction) -> None:
    assert messaging_preferences.transports(tx, SAM, "Ill_ready") == ()


def test_each_patron_and_message_has_its_own_choice(admin: Engine, tx: Transaction) -> None:
    choose_transports(admin, tx.koha, "Ill_ready", "sms", "email", borrowernumber=SAM)
    choose_transports(admin, tx.koha, "Ill_unavailable", "email", borrowernumber=SAM)
    choose_transports(admin, tx.koha, "Ill_ready", "sms", borrowernumber=WEN)

    assert messaging_preferences.transports(tx, SAM, "Ill_ready") == ("email", "sms")
    assert messaging_preferences.transports(tx, SAM, "Ill_unavailable") == ("email",)
    assert messaging_preferences.transports(tx, SAM, "Ill_update") == ()


def test_the_choice_of_digests_makes_no_difference(admin: Engine, tx: Transaction) -> None:
    choose_transports(admin, tx.koha, "Ill_ready", "email", borrowernumber=SAM, wants_digest=1)

    assert messaging_preferences.transports(tx, SAM, "Ill_ready") == ("email",)


def test_a_transport_that_koha_does_not_offer_for_the_message_is_left_out(
    admin: Engine, tx: Transaction
) -> None:
    choose_transports(admin, tx.koha, "Ill_ready", "email", "print", borrowernumber=SAM)

    assert messaging_preferences.transports(tx, SAM, "Ill_ready") == ("email",)


def test_the_defaults_of_a_category_do_not_count(admin: Engine, tx: Transaction) -> None:
    choose_transports(admin, tx.koha, "Ill_ready", "email", categorycode="PT")

    assert messaging_preferences.transports(tx, SAM, "Ill_ready") == ()
