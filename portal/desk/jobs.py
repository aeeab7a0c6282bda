"""The desk's menu, by job: what somebody does all day in sight, what is rarely needed under a fold.

Pages are named by strings, so that this module knows no app above it: « app.model » for a list, the name of
its address for a page of its own. A test holds that each page of the desk has its line here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from django.apps import apps
from django.db.models import Exists, Model

from portal.database.kept import KeptAWhile
from portal.database.trials import every_row
from portal.models import Town, current_town


class Job(Enum):
    """The menu's parts, as an agent thinks of them; the value stands in class names."""

    HOME = "accueil"
    PLACES = "places"
    CANTEEN = "cantine"
    LEISURE = "loisirs"
    MONEY = "factures"
    TOWN = "commune"
    TECHNICAL = "technique"

    @property
    def label(self) -> str:
        return "Technique" if self is Job.TECHNICAL else self.value.capitalize()


class Sight(Enum):
    """Where a page stands within its job."""

    ALWAYS = "always"
    # In sight once the town has a row of it, until then under the fold: small towns see only what they use.
    USED = "used"
    SELDOM = "seldom"


@dataclass(frozen=True)
class Place:
    """Where a page stands in the menu."""

    job: Job
    sight: Sight
    order: int


MENU: dict[Job, dict[Sight, str]] = {
    Job.HOME: {
        Sight.ALWAYS: """
            desk_queue reservations_booking_whom families.household families.child families.changerequest
            families.paper families_paper_find families_paper_missing families.thread families.familymessage
        """,
        Sight.USED: """
            families.accessopening families.custodycalendar families.undeliveredletter families.paperletter
            billing.childstatus
            families.erasurerequest families.dataexport families.letter families_quotientround_ask
            families.quotientround families.invitationlot billing.childstatus reservations.audiencemember
        """,
        Sight.SELDOM: """
            families_invitationlot_new families.document families.custody families.homechange
            families.householdnote families.textanswer
        """,
    },
    Job.PLACES: {
        Sight.ALWAYS: """
            reservations_booking_whom reservations.enrolment reservations_enrolment_enrol
            reservations.reservation leisure_requests reservations_lot_new
            reservations.reservationline reservations.booking reservations.slot reservations.closure
            reservations.notice
        """,
        Sight.USED: "reservations.lot reservations.move reservations.calendarchange",
        Sight.SELDOM: "reservations.schooling",
    },
    Job.CANTEEN: {
        Sight.ALWAYS: "catering_kitchen catering.menu catering_menu_import families.diet",
        Sight.USED: "billing.diner billing.dinermeal families.dietchoice billing.packedmeal",
        Sight.SELDOM: "billing.adultprice",
    },
    Job.LEISURE: {
        Sight.ALWAYS: """
            reservations_attendance_list leisure_register reservations.absencecertificate
            reservations_absencecertificate_take leisure_open_period
        """,
        Sight.USED: """
            reservations.attendance billing_latecollection_note billing.latecollection leisure.priorityfact
            reservations_oversightdecision_find reservations.oversightdecision
        """,
        Sight.SELDOM: """
            leisure.centre leisure.activitycriterion leisure.prioritystreet billing.latecollectionrule
        """,
    },
    Job.MONEY: {
        Sight.ALWAYS: """
            billing_billingrun_bill billing.invoice billing_payment_take billing.payment
            billing_payment_accounts billing_invoice_remind billing_payment_chart billing_depositslip_waiting
            billing_payment_cash_book billing_tariff_simulator billing.tariff
        """,
        Sight.USED: """
            billing.billingrun billing.onlinepayment billing_online_statement billing.depositslip
            billing_cashcount_count billing.cashcount billing.creditnote billing.writeoff billing.manualcharge
            billing_arrearsdecision_find billing.arrearsdecision
            billing.mandate billing.debitfile billing_debit_make billing_debit_read billing.debit
            billing.transferrefund billing_transfer_make billing.transferfile billing.recalculation
            billing.fee billing.householdfee billing.givenupday
            billing.householdcard
        """,
        Sight.SELDOM: """
            billing_recalculation_ask billing.recalculatedhousehold billing_payment_tax_certificates
            billing_payment_bookkeeping billing_payment_close billing.paymentevent billing.absencepolicy
            billing.refundrule billing.ticketcard billing.paymentmeans billing.budgetcode
            billing.journalaccounts billing.regie
            billing.billingsettings
        """,
    },
    Job.TOWN: {
        Sight.ALWAYS: """
            portal.town reservations_town_file reservations.establishment reservations.schoolclass
            reservations.activity
            reservations.period reservations.schoolholiday reservations_calendar_import families.staffmember
            families_staffmember_add families_fileimport_add families.trialhousehold reservations_year_prepare
            reservations_statistics
        """,
        Sight.USED: "reservations.campaign families.fileimport",
        Sight.SELDOM: """
            reservations.schoolyear reservations.yearturn reservations.publicholiday reservations.deadlinerule
            reservations.activitydeadline reservations.dayrule reservations.neededchildren
            reservations.oversightrule
            reservations.sureopening reservations.audience families.paperkind families.askedtext
            families.threadkind families.readyanswer
            portal.refusalreason portal.letterwording reservations.townfile
            portal_town_first_steps portal_town_line families.reading families.owndecision
            families.securityevent families.retentionrule families.processingtexts
            families_processingtexts_register families.disposallist families.erasure
        """,
    },
    Job.TECHNICAL: {
        Sight.ALWAYS: """
            families.user auth.group account.emailaddress django_tasks_database.dbtaskresult portal.release
        """,
        Sight.USED: "",
        Sight.SELDOM: "",
    },
}
# Lists that a page of their own leads to: in the menu they would stand twice.
WITHIN_A_PAGE = frozenset({"families.processingtexts", "reservations.townfile", "reservations.yearturn"})
# A page's own list says whether the town uses it.
USED_BY = {
    # Where the town has a price for adults.
    "billing.diner": "billing.adultprice",
    "billing.dinermeal": "billing.adultprice",
    "billing_online_statement": "billing.onlinepayment",
    "billing_cashcount_count": "billing.cashcount",
    "billing_debit_make": "billing.mandate",
    "billing_latecollection_note": "billing.latecollectionrule",
    "reservations_oversightdecision_find": "reservations.oversightrule",
    "billing_debit_read": "billing.mandate",
    "billing_arrearsdecision_find": "billing.arrearsdecision",
    "billing_transfer_make": "billing.transferrefund",
    "families_quotientround_ask": "families.quotientconsent",
}


def _places() -> Iterator[tuple[str, Place]]:
    for job, sights in MENU.items():
        names = [(name, sight) for sight in Sight for name in sights.get(sight, "").split()]
        for order, (name, sight) in enumerate(names):
            yield name, Place(job, sight, order)


PLACES = dict(_places())


# Before anything else while the town gets ready for families, then under its fold.
FIRST_STEPS = "portal_town_first_steps"
BEFORE_ALL = Place(Job.HOME, Sight.ALWAYS, -1)


def place_of(name: str) -> Place:
    """Of « app.model » or of a page's own address; what nobody named stands under the town's fold."""
    if name == FIRST_STEPS and not current_town().is_open:
        return BEFORE_ALL
    return PLACES.get(name, Place(Job.TOWN, Sight.SELDOM, len(PLACES)))


def key_of(model: type[Model]) -> str:
    """« families.household », as the menu names a list."""
    return f"{model._meta.app_label}.{model._meta.model_name}"


@KeptAWhile
def used() -> frozenset[str]:
    """The lists of `Sight.USED` that have a row; one query."""
    names = {USED_BY.get(name, name) for name, place in PLACES.items() if place.sight is Sight.USED}
    fields = {name.replace(".", "_"): name for name in names}
    there = {field: Exists(every_row(apps.get_model(name))) for field, name in sorted(fields.items())}
    # One row to ask them of; before the town has its own, nothing is used.
    found = Town.objects.annotate(**there).values(*there).first() or {}
    return frozenset(fields[field] for field, is_used in found.items() if is_used)


def in_sight(name: str) -> bool:
    """Whether a page stands in sight in its job, or under the fold."""
    sight = place_of(name).sight
    return sight is Sight.ALWAYS or (sight is Sight.USED and USED_BY.get(name, name) in used())
