"""Letters to households about their account, their requests and their children's files."""

from collections.abc import Iterable, Sequence

from django.db.models import Exists
from django.utils import timezone

from families import quotients
from families.models import (
    AccessOpening,
    ChangeRequest,
    Child,
    DataExport,
    Erasure,
    ErasureRequest,
    Guardian,
    HomeChange,
    Household,
    Paper,
    Thread,
    User,
)
from families.visibility import holds
from portal.letters import mailing


def addresses(household: Household | int, *, about: Child | int | None = None) -> mailing.Addressees:
    """The e-mail addresses of the guardians who have a login, each with the first name that greets them: all
    of a household have the same news.

    News about a child goes to a household in which it lives today.
    """
    guardians = Guardian.objects.filter(household=household, user__is_active=True).exclude(user__email="")
    if about is not None:
        today = timezone.localdate()
        guardians = guardians.filter(holds(today, "household__custodies"), household__custodies__child=about)
    home = household if isinstance(household, int) else household.pk
    found = list(guardians.values_list("user__email", "first_name"))
    on_paper = not found and _on_paper(home, about)
    return mailing.Addressees(found, home, on_paper=on_paper)


def _on_paper(home: int, about: Child | int | None) -> bool:
    """Whether a household to which no mail goes has its news on paper: it is known to the town hall, and the
    child that they are about lives there."""
    homes = Household.objects.filter(pk=home, state=Household.State.ACCEPTED, erased_at=None, joined_to=None)
    if about is not None:
        homes = homes.filter(holds(timezone.localdate(), "custodies"), custodies__child=about)
    reached = Guardian.objects.filter(household=home, user__is_active=True).exclude(user__email="")
    return homes.exclude(Exists(reached)).exists()


def household_accepted(household: Household) -> None:
    mailing.post("families/household_accepted", addresses(household), {"household": household})


def household_refused(household: Household) -> None:
    mailing.post("families/household_refused", addresses(household), {"household": household})


def change_requested(change: ChangeRequest) -> None:
    mailing.post("families/change_requested", addresses(change.household), {"change": change})


def change_accepted(change: ChangeRequest) -> None:
    of_quotient = change.kind == ChangeRequest.Kind.QUOTIENT
    counts = quotients.counts_from(change) if of_quotient else ""
    mailing.post(
        "families/change_accepted", addresses(change.household), {"change": change, "counts": counts}
    )


def change_refused(change: ChangeRequest) -> None:
    mailing.post("families/change_refused", addresses(change.household), {"change": change})


def thread_answered(thread: Thread) -> None:
    """That there is an answer, and where: what was written stays on the portal."""
    mailing.post(
        "families/thread_answered",
        addresses(thread.household, about=thread.child_id),
        {"thread": thread},
    )


def access_opened(guardian: Guardian, user: User, *, known: bool = False) -> None:
    """`known`: the login was in use before, with its password."""
    context = {"name": guardian.first_name, "user": user, "known": known, "number": guardian.household.number}
    mailing.post("families/access_opened", [user.email], context)


def child_file_changed(child: Child, news: Sequence[str], to: mailing.Addressees, *, author: str) -> None:
    mailing.post("families/child_file_changed", to, {"child": child, "news": news, "author": author})


def of_both(kept: Household, other: Household) -> mailing.Addressees:
    """Of two households that become one, who has access to either; on paper where no mail reaches any."""
    stays, goes = addresses(kept), addresses(other)
    on_paper = not stays and not goes and (stays.on_paper or goes.on_paper)
    return mailing.Addressees([*stays.items(), *goes.items()], kept.pk, on_paper=on_paper)


def households_joined(change: HomeChange, to: mailing.Addressees) -> None:
    """To all who had access to one of both (`of_both`, as it was before): whose login is closed, or waits,
    reads who sees what was theirs."""
    there = Guardian.objects.filter(household=change.household, user__is_active=True)
    waiting = AccessOpening.objects.waiting().filter(household=change.household, asked_at=change.at)
    waiting = waiting.filter(kind=AccessOpening.Kind.GUARDIAN).select_related("guardian").order_by("pk")
    context = {
        "change": change,
        "adults": ", ".join(map(str, there)),
        "waiting": ", ".join(str(one.guardian) for one in waiting),
    }
    mailing.post("families/households_joined", to, context)


def household_parted(change: HomeChange) -> None:
    """To the adults of either home: none reads where the other one lives."""
    for home in (change.household, change.other):
        context = {"change": change, "left": home == change.household}
        mailing.post("families/household_parted", addresses(home), context)


def diets_differ(child: Child, homes: Iterable[Household]) -> None:
    """To all homes of a child: they say different diets, which the letter does not name."""
    to: dict[str, str] = {}
    for home in homes:
        own = addresses(home)
        if own.on_paper:
            mailing.post("families/diets_differ", own, {"child": child})
        to |= own
    mailing.post("families/diets_differ", to, {"child": child})


def data_ready(export: DataExport) -> None:
    """To the guardian alone: it is their copy. Without a link to the file, which the page behind the login
    hands over."""
    guardian = export.guardian
    if guardian.user is not None and guardian.user.email and guardian.user.is_active:
        template = "families/data_at_desk" if export.at_desk else "families/data_ready"
        context = {"name": guardian.first_name, "export": export}
        mailing.post(template, [guardian.user.email], context, home=guardian.household_id)


def erased(household: Household, erasure: Erasure) -> None:
    """The last letter: its addresses are read now, and gone once it is queued. None is kept to be printed:
    the desk hands the certificate over."""
    to = addresses(household)
    to.on_paper = False
    context = {"number": household.number, "erasure": erasure}
    mailing.post("families/erased", to, context)


def erasure_requested(asked: ErasureRequest) -> None:
    """To all guardians: one asks for all of them, another may object."""
    context = {"asked": asked}
    mailing.post("families/erasure_requested", addresses(asked.household), context)


def erasure_refused(asked: ErasureRequest) -> None:
    mailing.post("families/erasure_refused", addresses(asked.household), {"asked": asked})


def paper_accepted(paper: Paper) -> None:
    _of_paper("families/paper_accepted", paper)


def paper_refused(paper: Paper) -> None:
    _of_paper("families/paper_refused", paper)


def paper_asked(paper: Paper) -> None:
    _of_paper("families/paper_asked", paper)


def _of_paper(template: str, paper: Paper) -> None:
    """To the household that gave it, or is asked for it. What is of health or of justice is not named, nor is
    what the town hall answered to it."""
    to = addresses(paper.household, about=paper.child_id)
    mailing.post(template, to, {"paper": paper, "named": not paper.kind.is_secret})
