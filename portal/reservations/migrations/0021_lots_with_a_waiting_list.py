from django.db import migrations, models

BECAME = [
    ("", "À faire"),
    ("done", "Fait"),
    ("asked", "Demandé"),
    ("queued", "Sur liste d'attente"),
    ("already", "Déjà ainsi"),
    ("left", "Pas possible"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("reservations", "0020_notices_to_families"),
    ]

    operations = [
        migrations.AddField(
            model_name="lot",
            name="waits",
            field=models.BooleanField(
                db_default=False, default=False, verbose_name="liste d'attente des jours complets"
            ),
        ),
        migrations.AlterField(
            model_name="lotday",
            name="became",
            field=models.CharField(
                blank=True, choices=BECAME, default="", max_length=8, verbose_name="résultat"
            ),
        ),
        migrations.AlterField(
            model_name="lotday",
            name="taken_back",
            field=models.CharField(blank=True, choices=BECAME, default="", max_length=8, verbose_name="depuis"),
        ),
    ]
