"""Who acts from the command line."""

from koha_ill_sidecar.domain.actors import Actor, Interface
from koha_ill_sidecar.errors import RequestRefused
from koha_ill_sidecar.storage.koha import patrons
from koha_ill_sidecar.storage.transaction import Transaction

SCRIPT = "koha-ill-sidecar"
"""What Koha's log shows as the program."""


def commandline_actor(tx: Transaction, userid: str | None) -> Actor:
    """
    Return who acts: the member of staff with this login, or nobody.

    Raises:
        RequestRefused: There is no such login (unknown_userid), or it lacks the permission ill (not_permitted).
    """
    if userid is None:
        return Actor(interface=Interface.COMMANDLINE, script=SCRIPT)
    patron = patrons.find_by_userid(tx, userid)
    if patron is None:
        raise RequestRefused("unknown_userid", "Nobody logs in to Koha as “%(userid)s”.", userid=userid)
    if not patrons.may_work_on_ill(tx, patron):
        raise RequestRefused(
            "not_permitted",
            "%(userid)s lacks Koha's permission ill. Grant it in Koha, or let somebody else act.",
            userid=userid,
        )
    return Actor(
        interface=Interface.COMMANDLINE,
        script=SCRIPT,
        borrowernumber=patron.borrowernumber,
        branchcode=patron.branchcode,
    )
