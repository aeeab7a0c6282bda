from django.db import migrations

from portal.french.names import NameField
from portal.french.spelling import folded

A_BATCH = 500
NAMES = {
    "Guardian": ("first_name", "last_name"),
    "Child": ("first_name", "last_name"),
    "Household": ("street", "city"),
}


def fold(apps, schema_editor):
    """The folded column of each row, and names in composed signs, a batch at a time."""
    composed = NameField().normal
    for name, columns in NAMES.items():
        model = apps.get_model("families", name)
        written = ("folded",) if name == "Household" else ("folded", *columns)
        last = 0
        while rows := list(model.objects.filter(pk__gt=last).order_by("pk").only("pk", *columns)[:A_BATCH]):
            for row in rows:
                if name != "Household":
                    for column in columns:
                        setattr(row, column, composed(getattr(row, column)))
                row.folded = folded(" ".join(getattr(row, column) for column in columns))[:400]
            model.objects.bulk_update(rows, written)
            last = rows[-1].pk


class Migration(migrations.Migration):

    dependencies = [
        ("families", "0012_folded_names"),
    ]

    operations = [
        migrations.RunPython(fold, migrations.RunPython.noop),
    ]
