"""What a night does with what is over its time: removes it, or proposes it to the archives first."""

from datetime import datetime

from families.privacy import archives, retention


def apply(kind: retention.Kind, at: datetime) -> int:
    """Removes what is over, or proposes it to the archives and removes what they signed.

    Returns how many rows went, or were newly proposed.
    """
    if retention.needs_visa(kind):
        return archives.carry_out(kind, at=at) + archives.propose(kind, at=at)
    return kind.remove(retention.due(kind, at), at)


def foresee(kind: retention.Kind, at: datetime) -> int:
    """How many rows `apply` would concern; touches none of them."""
    if retention.needs_visa(kind):
        return archives.unlisted(kind, at).count() + sum(row.count for row in archives.signed(kind))
    return sum(rows.count() for rows in retention.due(kind, at))


def said(kind: retention.Kind) -> str:
    """What a night says it did; `{}` is how many."""
    if retention.needs_visa(kind):
        return f"{{}} élément(s) proposé(s) aux archives ou éliminé(s) : {kind.label.lower()}."
    return kind.said or f"{{}} élément(s) effacé(s) : {kind.label.lower()}."
