"""What leisure adds to a town's file: who comes first where places are short."""

from leisure.criteria import Kind
from leisure.models import ActivityCriterion, PriorityStreet
from portal.reservations.models import Activity
from portal.reservations.towns.fields import Field, Number, Reference, Words
from portal.reservations.towns.town_file import Rows, register

CRITERION = Words(
    {
        "commune": Kind.RESIDENT,
        "quartier_prioritaire": Kind.DISTRICT,
        "semaines_entières": Kind.WHOLE_WEEKS,
        "réguliers": Kind.REGULAR,
        "parents_qui_travaillent": Kind.WORK,
        "handicap": Kind.DISABILITY,
        "fratrie": Kind.SIBLING,
        "quotient": Kind.QUOTIENT,
        "portail": Kind.PORTAL,
    }
)
register(
    Rows(
        key="priorités",
        model=ActivityCriterion,
        match=("activity", "kind"),
        order_by=("activity__code", "order", "pk"),
        compact=True,
        comment="Qui passe d'abord quand les places d'une activité manquent, le plus petit rang d'abord.",
        fields=(
            Field("activité", "activity", Reference(Activity), example="mercredis"),
            Field("rang", "order", Number(), default=1, example="2"),
            Field("d'abord", "kind", CRITERION),
        ),
    )
)
register(
    Rows(
        key="quartier_prioritaire",
        model=PriorityStreet,
        match=("street", "postcode"),
        order_by=("postcode", "street"),
        compact=True,
        comment="Les rues, ou les codes postaux entiers, du quartier prioritaire.",
        fields=(
            Field("rue", "street", default="", example="rue des Lilas"),
            Field("code_postal", "postcode", default="", example="'01999'"),
        ),
    )
)
