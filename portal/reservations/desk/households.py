"""What a household has enrolled for and reserved, on its own page of the desk; classes of who is found."""

from django.db.models import QuerySet
from django.http import HttpRequest

from families.admin import HouseholdAdmin, finding
from families.models import Household
from portal.desk.pages import ShownOnlyInline
from portal.reservations.models import Enrolment, Reservation
from portal.reservations.models.queries import class_now
from portal.reservations.states import ReservationState


class EnrolmentInline(ShownOnlyInline[Enrolment, Household]):
    model = Enrolment
    fields = readonly_fields = ("child", "activity", "establishment", "school_year", "starts_on", "state")
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Enrolment]:
        related = ("child", "activity", "establishment", "school_year")
        return super().get_queryset(request).select_related(*related)


class ReservationInline(ShownOnlyInline[Reservation, Household]):
    """Drafts are the family's own until they are recorded."""

    model = Reservation
    fields = readonly_fields = ("child", "period", "establishment", "state", "submitted_at")
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Reservation]:
        recorded = super().get_queryset(request).exclude(state=ReservationState.DRAFT)
        return recorded.select_related("child", "period", "establishment")


HouseholdAdmin.inlines = (*HouseholdAdmin.inlines, EnrolmentInline, ReservationInline)

finding.lend_classes(class_now)
