from koha_ill_sidecar.domain.actions import ACTIONS
from koha_ill_sidecar.services.requests.actions import FUNCTIONS


def test_every_action_without_a_page_of_its_own_has_a_function() -> None:
    asked = {method for method, action in ACTIONS.items() if action.has_question}

    assert FUNCTIONS.keys() == asked
