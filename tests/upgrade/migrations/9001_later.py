"""Columns of final documents change, and their rows."""

from django.db import migrations, models

from portal.database.operations import Lifted
from tests.upgrade.migrations import LAST


def shout(apps, schema_editor):
    for invoice in apps.get_model("billing", "Invoice").objects.all():
        invoice.payer = invoice.payer.upper()
        invoice.save(update_fields=["payer"])


class Migration(migrations.Migration):
    dependencies = [("billing", LAST)]

    operations = [
        migrations.AlterField("invoice", "payer", models.CharField("payeur", max_length=300)),
        Lifted(
            "billing.final",
            [
                migrations.RunPython(shout, migrations.RunPython.noop),
                migrations.AlterField(
                    "payment", "number", models.CharField("numéro", max_length=60, unique=True)
                ),
            ],
        ),
        migrations.AlterField("invoice", "address", models.TextField("adresse", default="")),
    ]
