"""The two audiences that every town has: who lives there, and who does not."""

from django.db import migrations


def make_them(apps, schema_editor):
    audiences = apps.get_model("reservations", "Audience").objects
    for order, (code, label, belonging) in enumerate(
        [("commune", "Commune", "resident"), ("hors-commune", "Hors commune", "non_resident")]
    ):
        audiences.get_or_create(
            code=code, defaults={"label": label, "belonging": belonging, "order": order}
        )


class Migration(migrations.Migration):

    dependencies = [
        ('reservations', '0011_enrolment_campaigns'),
    ]

    operations = [
        migrations.RunPython(make_them, migrations.RunPython.noop),
    ]
