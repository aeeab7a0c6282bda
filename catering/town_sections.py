"""What the canteen adds to a town's file: the diets its kitchens cook for."""

from families.models import Diet
from portal.reservations.towns.fields import Field, Flag, Number
from portal.reservations.towns.town_file import Rows, register

register(
    Rows(
        key="régimes_alimentaires",
        model=Diet,
        match=("name",),
        compact=True,
        comment="Les régimes que les familles peuvent choisir.",
        fields=(
            Field("nom", "name", example="Sans porc"),
            Field("pai", "needs_pai", Flag(), default=False),
            Field("sans_porc", "without_pork", Flag(), default=False),
            Field("sans_viande", "without_meat", Flag(), default=False),
            Field("sans_poisson", "without_fish", Flag(), default=False),
            Field("sans_produit_animal", "without_animals", Flag(), default=False),
            Field("proposé", "active", Flag(), default=True),
            Field("ordre", "order", Number(), default=0, example="1"),
        ),
    )
)
