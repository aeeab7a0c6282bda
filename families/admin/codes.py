"""« Code pour un compte »: a letter with a code, for an adult of a household who has no login."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from families import household_screen
from families.custody import codes
from families.desk_links import household_page
from families.messages.audiences import known_homes
from families.messages.printing import sheet
from families.models import Guardian, Household
from families.signing_in.asking_again import ask_again
from portal.desk import rights
from portal.desk.pages import OwnPages
from portal.files.handing_over import hand_over
from portal.french.dates import short_day
from portal.letters import paper
from portal.letters.paper import Sheet
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest

LETTER = (
    "Bonjour,\n\n"
    "Le portail famille vous permet de réserver, d'annuler, de payer et de lire nos messages en ligne. Pour "
    "y avoir votre compte\xa0:\n\n"
    "1. ouvrez {address}\n"
    "2. écrivez le numéro de foyer {number}, ce code et votre adresse e-mail :\n\n"
    "          {code}\n\n"
    "Le code sert une fois, à {name}, jusqu'au {until}. Ne le donnez à personne\xa0: la mairie ne vous le "
    "demandera jamais.\n\n"
    "Vous préférez le téléphone ou le guichet ? Rien ne change pour vous."
)


class GivesCodes(OwnPages[Household]):
    """The page, and the button that leads to it."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.code)
        return [path("<int:pk>/code/", view, name="families_household_code"), *super().get_urls()]

    def code(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """Which adult; then the letter, which alone knows the code."""
        self.demand(request, codes.RIGHT)
        home = get_object_or_404(rights.seen_by(request.user, known_homes(), codes.RIGHT), pk=pk)
        adults = list(without_login(home))
        wanted = posted_number(request.POST.get("responsable", ""))
        chosen = next((one for one in adults if one.pk == wanted), None)
        if request.method == "POST" and chosen is None:
            messages.error(request, "Choisissez un responsable qui n'a pas de compte.")
        if request.method == "POST" and chosen is not None:
            ask_again(request)
            try:
                return self._letter(request, home, chosen)
            except codes.CodeRefused as refusal:
                messages.error(request, str(refusal))
                return redirect(household_page(home.pk))
        context = {"home": home, "adults": adults, "back": household_page(home.pk), "days": codes.LASTS.days}
        return self.page(request, "admin/families/code.html", "Code pour ouvrir un compte", context)

    def _letter(self, request: SignedInRequest, home: Household, adult: Guardian) -> HttpResponse:
        at = timezone.now()
        code = codes.make(adult, by=request.user, at=at)
        self.log_change(request, home, f"Code d'ouverture de compte imprimé pour {adult}.")
        letter = code_letter(home, adult, code, at=at)
        return hand_over(paper.draw([letter], identifier=f"code-{adult.pk}-{at:%Y%m%d%H%M%S}"), "code.pdf")


def code_letter(home: Household, adult: Guardian, code: str, *, at: datetime) -> Sheet:
    """What tells an adult how to open an account with a code made at `at`."""
    text = LETTER.format(
        address=settings.PORTAL_URL.rstrip("/") + reverse("account_code"),
        number=home.number,
        code=code,
        name=adult,
        until=short_day(timezone.localdate(at + codes.LASTS), year=True),
    )
    day = timezone.localdate(at)
    return sheet(home, [str(adult)], day, "Votre compte sur le portail famille", text)


def without_login(home: Household) -> Any:
    return Guardian.objects.filter(household=home, user=None).order_by("pk")


def code_page(user: Any, household: Household) -> str:
    """The button of a household's page, where an adult has no login."""
    known = household.is_accepted and any(one.user_id is None for one in household_screen.adults(household))
    if not known or not rights.may(user, household, codes.RIGHT):
        return ""
    return reverse("admin:families_household_code", args=[household.pk])
