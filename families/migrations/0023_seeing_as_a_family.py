from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("families", "0022_export_people")]

    operations = [
        migrations.AlterModelOptions(
            name="reading",
            options={
                "ordering": ["-at", "-pk"],
                "permissions": [("see_as_family_reading", "Voir les pages d'une famille comme elle")],
                "verbose_name": "consultation",
                "verbose_name_plural": "consultations",
            },
        ),
    ]
