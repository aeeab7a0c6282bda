"""Each home that enrolled a child at the canteen was shown its diet, and saved it: it is what that home says.

The child had one diet before as it has now: of two homes the last one to save won, and no other word of the
first is stored. So both are taken to say the same, and nothing differs on the day of the upgrade.
"""

from django.db import migrations

A_BITE = 1000
LIVE = ("requested", "accepted")


def take_homes_at_their_word(apps, schema_editor):
    said = apps.get_model("families", "HomeDiet")
    diets = dict(apps.get_model("families", "DietChoice").objects.values_list("child", "diet"))
    known = set(said.objects.values_list("child", "household"))
    enrolments = apps.get_model("reservations", "Enrolment").objects.filter(
        activity__service="catering", state__in=LIVE
    )
    pairs = enrolments.order_by("child", "household").values_list("child", "household").distinct()
    rows = [
        said(child_id=child, household_id=household, diet_id=diets[child])
        for child, household in pairs.iterator(chunk_size=A_BITE)
        if child in diets and (child, household) not in known
    ]
    said.objects.bulk_create(rows, batch_size=A_BITE)


class Migration(migrations.Migration):
    dependencies = [
        ("families", "0016_what_diets_leave_out"),
        ('reservations', '0014_when_a_class_was_known'),
    ]

    operations = [migrations.RunPython(take_homes_at_their_word, migrations.RunPython.noop)]
