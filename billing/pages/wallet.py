"""« Compte famille » that pays days beforehand: what it holds, and money added to it online."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from billing.invoices import regies
from billing.payments import events, purse, starting
from billing.payments.providers import choosing
from billing.payments.purse import Purse
from families import which_home
from families.at_home import Ask
from families.models import Household, User
from portal.french.amounts import euros
from portal.french.numbers import TypedDecimalField
from portal.reservations.acts import money_first
from portal.reservations.models import Enrolment, Period
from portal.web.signed_in import SignedInRequest


def asked(household: Household, user: User, at: datetime) -> list[Ask]:
    """What each account holds, and the way to add to it."""
    return [
        Ask(
            f"{euros(one.left)} sur votre compte famille{f', {one.name}' if one.name else ''}",
            "Il ne reste presque plus rien : ajoutez de l'argent avant de réserver."
            if one.is_low
            else "Pour réserver les jours qui se paient d'avance.",
            reverse("billing:top_up"),
            "Ajouter de l'argent",
            main=one.is_low,
        )
        for one in purse.purses(household)
    ]


def words(enrolment: Enrolment, period: Period) -> tuple[str, str]:
    """On a planning whose days the account covers: what it holds, and where money is added; or nothing."""
    if money_first.by_account(enrolment.activity_id, period.pk) is None:
        return "", ""
    left = purse.available(enrolment.household_id, enrolment.activity_id)
    return (
        f"Ces jours se paient d'avance : il reste {euros(left)} sur votre compte famille.",
        reverse("billing:top_up"),
    )


class AmountForm(forms.Form):
    """How much is added, to which account."""

    amount = TypedDecimalField(
        label="Montant à ajouter, en euros",
        min_value=Decimal("0.01"),
        max_digits=8,
        decimal_places=2,
    )

    def __init__(self, *args: Any, accounts: list[Purse], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The town's own account has no key: 0 stands for it, since nothing is what was not chosen.
        self.accounts = {str(one.regie or 0): one for one in accounts}
        if len(accounts) > 1:
            self.fields["regie"] = forms.ChoiceField(
                label="Compte",
                choices=[(key, one.name or regies.OWN) for key, one in self.accounts.items()],
            )

    @property
    def account(self) -> Purse:
        """That of a valid form."""
        (first, *_) = self.accounts
        return self.accounts[self.cleaned_data.get("regie") or first]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def top_up(request: SignedInRequest) -> HttpResponse:
    """« Ajouter de l'argent »: an amount, then the bank's page."""
    household = which_home.household(request)
    accounts = purse.purses(household)
    if not accounts:
        raise Http404
    form = AmountForm(request.POST or None, accounts=accounts)
    if request.method == "POST" and form.is_valid():
        account = form.account
        try:
            payment = starting.start_top_up(
                household,
                form.cleaned_data["amount"],
                regie=account.regie,
                by=request.user,
                at=timezone.now(),
            )
        except events.OnlinePaymentRefused as refusal:
            form.add_error("amount", str(refusal))
        else:
            return redirect("billing:payment_go", payment.reference)
    if not choosing.offered():
        messages.info(request, "Votre mairie ne propose pas le paiement en ligne : passez à son guichet.")
    rows = [(one.name, euros(one.left)) for one in accounts]
    return render(
        request,
        "billing/top_up.html",
        {"form": form, "rows": rows, "possible": choosing.offered()},
    )
