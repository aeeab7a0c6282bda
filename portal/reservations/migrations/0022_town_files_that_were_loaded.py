"""The town's files that were loaded, as they were."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('reservations', '0021_waiting_lots_and_places_of_threads'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='TownFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('loaded_at', models.DateTimeField(verbose_name='chargé le')),
                ('text', models.TextField(verbose_name='fichier')),
                ('sha256', models.CharField(max_length=64, verbose_name='empreinte')),
                ('created', models.PositiveIntegerField(verbose_name='lignes nouvelles')),
                ('changed', models.PositiveIntegerField(verbose_name='lignes modifiées')),
                ('removed', models.PositiveIntegerField(verbose_name='lignes retirées')),
                ('unchanged', models.PositiveIntegerField(verbose_name='lignes inchangées')),
                ('by', models.ForeignKey(blank=True, help_text='Vide : par la commande du serveur.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='par')),
            ],
            options={
                'verbose_name': 'fichier de la commune',
                'verbose_name_plural': 'fichiers de la commune',
                'ordering': ['-loaded_at', '-pk'],
                'constraints': [models.CheckConstraint(condition=models.Q(('text', ''), _negated=True), name='town_file_has_its_text', violation_error_message='Un fichier chargé garde son texte.')],
            },
        ),
    ]
