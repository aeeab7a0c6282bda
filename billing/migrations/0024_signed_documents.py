"""Who signs does so on every paper, and the field says which."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0023_dropped_statements'),
    ]

    operations = [
        migrations.AlterField(
            model_name='billingsettings',
            name='signatory',
            field=models.CharField(blank=True, help_text='Nom et qualité, au bas des factures, reçus, relevés et relances : « Dominique Roy, régisseur titulaire ».', max_length=120, verbose_name='signataire'),
        ),
        migrations.AlterField(
            model_name='historicalbillingsettings',
            name='signatory',
            field=models.CharField(blank=True, help_text='Nom et qualité, au bas des factures, reçus, relevés et relances : « Dominique Roy, régisseur titulaire ».', max_length=120, verbose_name='signataire'),
        ),
        migrations.AlterField(
            model_name='historicalregie',
            name='signatory',
            field=models.CharField(blank=True, help_text='Nom et qualité, au bas des factures, reçus, relevés et relances : « Dominique Roy, régisseur titulaire ».', max_length=120, verbose_name='signataire'),
        ),
        migrations.AlterField(
            model_name='regie',
            name='signatory',
            field=models.CharField(blank=True, help_text='Nom et qualité, au bas des factures, reçus, relevés et relances : « Dominique Roy, régisseur titulaire ».', max_length=120, verbose_name='signataire'),
        ),
    ]
