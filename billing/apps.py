from django.apps import AppConfig
from django.core.checks import register

from billing.invoices.immutable import FINAL_DOCUMENTS
from billing.payments.checks import payment_provider
from portal.database import schema


class BillingConfig(AppConfig):
    name = "billing"
    verbose_name = "Facturation"

    def ready(self) -> None:
        # Models must be loaded first.
        from billing.documents import chronicle, own_data, pdf
        from billing.invoices import ledger, opening_balances, sealing
        from billing.invoices.billed_days import BilledDays
        from billing.invoices.refunds import GivenUp
        from billing.models import (
            AdultPrice,
            ChildStatus,
            Diner,
            DinerMeal,
            GivenUpDay,
            LateCollection,
            PackedMeal,
        )
        from billing.pages import asked, cards, wallet
        from billing.pages.payments import way_to_pay
        from billing.payments import (
            audience,
            brought,
            closing,
            counting,
            deposits,
            erasing,
            joining,
            kinds,
            processing,
            purse,
        )
        from billing.prices import bands, next_year
        from billing.prices.books import quotient_counts_when_told
        from billing.prices.estimates import Estimates
        from billing.prices.leaving import PackedMeals
        from billing.prices.missed_days import WhatIsBilled
        from billing.reminders import arrears
        from families import at_home, quotients
        from families.as_family import Part
        from families.custody import ending
        from families.imports import registry as imports
        from families.joining import fates, parting
        from families.joining import joining as joining_of_homes
        from families.messages import audiences, printing
        from families.privacy import erasing as erasing_of_people
        from families.privacy import holdings, telling
        from portal.letters import paper
        from portal.reservations.acts import ending as ending_of_enrolments
        from portal.reservations.acts import giving_up, money_first, overriding
        from portal.reservations.pages import carts
        from portal.reservations.presence import certificates
        from portal.reservations.staff import scopes

        at_home.register(9, wallet.asked, Part.MONEY)
        at_home.register(10, asked.to_pay, Part.MONEY)
        at_home.register(11, asked.decisions, Part.MONEY)
        arrears.register_all()
        quotients.lend(quotient_counts_when_told)
        certificates.lend(WhatIsBilled())
        ending_of_enrolments.lend(BilledDays())
        money_first.lend(Estimates.load, purse.available)
        giving_up.lend(GivenUp())
        carts.lend_purse(wallet.words)
        carts.lend_tickets(cards.words)
        carts.lend(way_to_pay)
        overriding.lend(closing.closed_for_activity)
        scopes.register(PackedMeal, scopes.at("enrolment__establishment"))
        scopes.register(LateCollection, scopes.at("establishment", adds=False))
        scopes.register(GivenUpDay, scopes.at("establishment", adds=False))
        scopes.register(AdultPrice, scopes.TOWN)
        scopes.register(Diner, scopes.at("establishment"))
        scopes.register(DinerMeal, scopes.at("establishment", adds=False))
        scopes.register(ChildStatus, scopes.of_child("child"))
        holdings.declare(erasing.HOLDINGS)
        erasing_of_people.register("facturation", erasing.PART)
        fates.declare(joining.KEYS)
        joining_of_homes.register("facturation", joining.PART)
        parting.register("facturation", joining.PARTING)
        bands.register_all()
        next_year.register_all()
        kinds.register_all()
        processing.register_all()
        chronicle.register_all()
        telling.register("facturation", tables=own_data.tables, files=own_data.files)
        # After the engine, whose enrolments they are of.
        ending.register("paniers repas", PackedMeals())
        paper.lend(pdf.draw)
        imports.register(brought.Mandates())
        imports.register(opening_balances.OpeningBalances())
        brought.register_all()
        audiences.register(audience.Owing, order=30, rights=audience.RIGHTS)
        printing.read_with("billing/", *audience.RIGHTS)
        register(payment_provider)
        schema.register(FINAL_DOCUMENTS)
        schema.register(ledger.LEDGER)
        schema.register(deposits.DEPOSITS)
        schema.register(counting.COUNTS)
        schema.register(sealing.SEALS)
