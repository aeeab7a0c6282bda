"""What the canteen serves is a meal, as it was counted until now: from here on the formula says so."""

from django.db import migrations


def say_meals(apps, schema_editor):
    formulas = apps.get_model("reservations", "Formula").objects.filter(activity__service="catering")
    formulas.filter(with_meal=False).update(with_meal=True)


class Migration(migrations.Migration):
    dependencies = [
        ("catering", "0002_initial"),
        ("reservations", "0006_changes_and_announced_absences"),
    ]

    operations = [migrations.RunPython(say_meals, migrations.RunPython.noop)]
