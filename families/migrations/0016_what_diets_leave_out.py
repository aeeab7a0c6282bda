"""Diets say what they leave out; those that exist say it by their name alone, as it is written most often."""

import unicodedata

from django.db import migrations

# Words of a name, and the columns that they mean.
MEANT = (
    (("sans porc",), ("without_pork",)),
    (("sans viande",), ("without_meat",)),
    (("vegetarien",), ("without_meat", "without_fish")),
    (("sans poisson",), ("without_fish",)),
    (("vegetalien", "vegan"), ("without_animals",)),
)


def bare(name):
    apart = unicodedata.normalize("NFD", name.casefold())
    return " ".join("".join(sign for sign in apart if not unicodedata.combining(sign)).split())


def say_what_is_left_out(apps, schema_editor):
    for diet in apps.get_model("families", "Diet").objects.order_by("pk"):
        name = bare(diet.name)
        columns = {
            column for words, columns in MEANT if any(word in name for word in words) for column in columns
        }
        for column in columns:
            setattr(diet, column, True)
        if columns:
            diet.save(update_fields=sorted(columns))


class Migration(migrations.Migration):
    dependencies = [("families", "0015_two_homes")]

    operations = [migrations.RunPython(say_what_is_left_out, migrations.RunPython.noop)]
