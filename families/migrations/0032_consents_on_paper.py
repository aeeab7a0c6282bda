"""A consent may be given on paper; what is wrong in a file is called « À corriger »."""

from django.db import migrations, models

VERDICTS = [
    ("new", "Nouveau"),
    ("changed", "Changé"),
    ("same", "Identique"),
    ("doubtful", "À décider"),
    ("wrong", "À corriger"),
    ("skipped", "Laissé de côté"),
    ("decided", "Décidé"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("families", "0031_texts_to_accept"),
    ]

    operations = [
        migrations.AddField(
            model_name="quotientconsent",
            name="signed_on",
            field=models.DateField(blank=True, null=True, verbose_name="signé le"),
        ),
        migrations.AlterField(
            model_name="importline",
            name="verdict",
            field=models.CharField(choices=VERDICTS, max_length=10, verbose_name="résultat"),
        ),
        migrations.AlterField(
            model_name="importline",
            name="line_verdict",
            field=models.CharField(choices=VERDICTS, max_length=10, verbose_name="résultat de la ligne"),
        ),
    ]
