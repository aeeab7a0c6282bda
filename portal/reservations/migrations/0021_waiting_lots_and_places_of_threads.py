import django.db.models.deletion
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
        ("families", "0026_families_write_and_desk_notes"),
        ("reservations", "0020_notices_to_families"),
    ]

    operations = [
        migrations.CreateModel(
            name="ThreadPlace",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "establishment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="reservations.establishment",
                        verbose_name="lieu",
                    ),
                ),
                (
                    "thread",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="families.thread",
                        verbose_name="message de famille",
                    ),
                ),
            ],
            options={
                "verbose_name": "lieu qui suit un message",
                "verbose_name_plural": "lieux qui suivent un message",
            },
        ),
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
