"""The town's own words in the portal's letters."""

import django.db.models.deletion
import simple_history.models
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('portal', '0009_held_decisions_and_printed_lists'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='LetterWording',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(blank=True, max_length=60, unique=True, verbose_name='lettre')),
                ('subject', models.CharField(blank=True, help_text="Vide : l'objet habituel. {objet} le redit.", max_length=120, verbose_name='objet')),
                ('opening', models.TextField(blank=True, help_text='Après « Bonjour ». Vide : aucune.', max_length=600, verbose_name='première phrase')),
                ('closing', models.TextField(blank=True, help_text='Avant la signature. Vide : aucune.', max_length=600, verbose_name='dernière phrase')),
            ],
            options={
                'verbose_name': 'texte de lettre',
                'verbose_name_plural': 'textes des lettres',
                'ordering': ['kind'],
            },
        ),
        migrations.AddField(
            model_name='town',
            name='own_letter_words',
            field=models.BooleanField(db_default=False, default=False, editable=False),
        ),
        migrations.CreateModel(
            name='HistoricalLetterWording',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('kind', models.CharField(blank=True, db_index=True, max_length=60, verbose_name='lettre')),
                ('subject', models.CharField(blank=True, help_text="Vide : l'objet habituel. {objet} le redit.", max_length=120, verbose_name='objet')),
                ('opening', models.TextField(blank=True, help_text='Après « Bonjour ». Vide : aucune.', max_length=600, verbose_name='première phrase')),
                ('closing', models.TextField(blank=True, help_text='Avant la signature. Vide : aucune.', max_length=600, verbose_name='dernière phrase')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical texte de lettre',
                'verbose_name_plural': 'historical textes des lettres',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
    ]
