import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("families", "0026_families_write_and_desk_notes"),
    ]

    operations = [
        migrations.CreateModel(
            name="ReadyAnswer",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="Pour vos collègues.", max_length=80, unique=True, verbose_name="nom"
                    ),
                ),
                ("text", models.TextField(max_length=4000, verbose_name="texte")),
                ("order", models.PositiveSmallIntegerField(default=10, verbose_name="ordre")),
                ("active", models.BooleanField(default=True, verbose_name="proposée aux agents")),
                (
                    "kind",
                    models.ForeignKey(
                        blank=True,
                        help_text="Proposée pour les messages de cet objet ; vide : pour tous.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="answers",
                        to="families.threadkind",
                        verbose_name="objet",
                    ),
                ),
            ],
            options={
                "verbose_name": "réponse prête",
                "verbose_name_plural": "réponses prêtes",
                "ordering": ["order", "name"],
            },
        ),
    ]
