"""A statement too small to bill may be dropped: a write-off of its own kind, by no council's decision."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0022_statement_credits'),
    ]

    operations = [
        migrations.AlterField(
            model_name='writeoff',
            name='decision',
            field=models.CharField(blank=True, help_text='La référence de la délibération.', max_length=100, verbose_name='décision'),
        ),
        migrations.AlterField(
            model_name='writeoff',
            name='kind',
            field=models.CharField(choices=[('uncollectable', 'Admission en non-valeur'), ('remission', 'Remise gracieuse'), ('extinguished', 'Créance éteinte'), ('dropped', 'Reste abandonné')], max_length=13, verbose_name='nature'),
        ),
    ]
