"""Whether families may come in: they may, in every town that is there already."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('portal', '0010_letter_wordings'),
    ]

    operations = [
        migrations.AddField(
            model_name='historicaltown',
            name='is_open',
            field=models.BooleanField(db_default=True, default=True, editable=False, verbose_name='ouvert au public'),
        ),
        migrations.AddField(
            model_name='town',
            name='is_open',
            field=models.BooleanField(db_default=True, default=True, editable=False, verbose_name='ouvert au public'),
        ),
        migrations.AlterModelOptions(
            name='town',
            options={'permissions': [('open_line_town', "Peut ouvrir, fermer et régler la file d'attente"), ('open_public_town', 'Peut ouvrir le portail aux familles, et le refermer')], 'verbose_name': 'commune', 'verbose_name_plural': 'commune'},
        ),
    ]
