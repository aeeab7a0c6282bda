"""Notices to families, between two dates, for places; those that a closure puts."""

import django.db.models.deletion
import simple_history.models
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('reservations', '0019_monthly_figures_and_long_lists'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='HistoricalNotice',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('title', models.CharField(max_length=80, verbose_name='titre')),
                ('text', models.TextField(max_length=600, verbose_name='texte')),
                ('level', models.CharField(choices=[('information', 'Information'), ('important', 'Important')], default='information', max_length=12, verbose_name='niveau')),
                ('starts_on', models.DateField(verbose_name='affichée du')),
                ('ends_on', models.DateField(help_text='Ce jour compris.', verbose_name='au')),
                ('by_hand', models.BooleanField(default=True, editable=False, verbose_name='texte écrit à la main')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('closure', models.ForeignKey(blank=True, db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='reservations.closure', verbose_name='fermeture')),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical annonce aux familles',
                'verbose_name_plural': 'historical annonces aux familles',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='Notice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('title', models.CharField(max_length=80, verbose_name='titre')),
                ('text', models.TextField(max_length=600, verbose_name='texte')),
                ('level', models.CharField(choices=[('information', 'Information'), ('important', 'Important')], default='information', max_length=12, verbose_name='niveau')),
                ('starts_on', models.DateField(verbose_name='affichée du')),
                ('ends_on', models.DateField(help_text='Ce jour compris.', verbose_name='au')),
                ('by_hand', models.BooleanField(default=True, editable=False, verbose_name='texte écrit à la main')),
                ('closure', models.OneToOneField(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='notice', to='reservations.closure', verbose_name='fermeture')),
                ('places', models.ManyToManyField(blank=True, help_text='Les familles dont un enfant y va. Aucun : toutes les familles.', related_name='notices', to='reservations.establishment', verbose_name='lieux')),
            ],
            options={
                'verbose_name': 'annonce aux familles',
                'verbose_name_plural': 'annonces aux familles',
                'ordering': ['-starts_on', '-pk'],
            },
        ),
        migrations.CreateModel(
            name='HistoricalNotice_places',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('m2m_history_id', models.AutoField(primary_key=True, serialize=False)),
                ('establishment', models.ForeignKey(blank=True, db_constraint=False, db_tablespace='', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='reservations.establishment')),
                ('history', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, to='reservations.historicalnotice')),
                ('notice', models.ForeignKey(blank=True, db_constraint=False, db_tablespace='', null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='reservations.notice')),
            ],
            options={
                'verbose_name': 'HistoricalNotice_places',
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.AddIndex(
            model_name='notice',
            index=models.Index(fields=['ends_on'], name='notice_by_end'),
        ),
        migrations.AddConstraint(
            model_name='notice',
            constraint=models.CheckConstraint(condition=models.Q(('ends_on__gte', models.F('starts_on'))), name='notice_ends_after_start', violation_error_message="L'annonce doit finir après son premier jour."),
        ),
    ]
