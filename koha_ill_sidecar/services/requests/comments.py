"""Staff's comments on a request."""

from koha_ill_sidecar.domain.actors import Actor
from koha_ill_sidecar.errors import RequestRefused
from koha_ill_sidecar.services.requests import validation
from koha_ill_sidecar.storage.koha import comments as koha_comments
from koha_ill_sidecar.storage.koha import requests
from koha_ill_sidecar.storage.koha.comments import Comment
from koha_ill_sidecar.storage.sidecar import history
from koha_ill_sidecar.storage.transaction import Transaction


def add_comment(
    tx: Transaction, illrequest_id: int, text: str, actor: Actor, *, seen: int | None = None
) -> int:
    """
    Add a comment of a staff member, which cannot be changed later, and return its ID.

    Args:
        seen: ID of the newest comment when this one was written. If the same text was added since, the form was sent
            twice, and nothing is added.

    Raises:
        RequestNotFound: There is no such request.
        RequestRefused: There is no text (empty_comment) or no author (no_author), or it is longer than Koha's column
            (too_long).

    Source: Koha, ill/ill-requests.pl cud-save_comment.
    """
    if not text.strip():
        raise RequestRefused("empty_comment", "The comment has no text.")
    if not actor.borrowernumber:
        raise RequestRefused("no_author", "A comment needs a member of staff as its author.")
    validation.check_length(tx, "illcomments", "comment", text)
    # The lock makes a second copy of a form, sent at the same moment, see the comment of the first.
    requests.get_for_update(tx, illrequest_id)
    if seen is not None:
        duplicate = koha_comments.find_duplicate(
            tx, illrequest_id, borrowernumber=actor.borrowernumber, comment=text, after=seen
        )
        if duplicate is not None:
            return duplicate
    comment_id = koha_comments.add(tx, illrequest_id, borrowernumber=actor.borrowernumber, comment=text)
    history.add(tx, illrequest_id, "commented", actor=actor, detail={"illcomment_id": comment_id})
    return comment_id


def list_comments(tx: Transaction, illrequest_id: int) -> list[Comment]:
    """Return the comments on a request, oldest first; raises RequestNotFound."""
    requests.get(tx, illrequest_id)
    return koha_comments.find(tx, illrequest_id)
