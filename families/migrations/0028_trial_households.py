"""Households with which an agent tries the portal, and which count nowhere."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('families', '0027_ready_made_answers'),
    ]

    operations = [
        migrations.CreateModel(
            name='TrialHousehold',
            fields=[
            ],
            options={
                'verbose_name': "foyer d'essai",
                'verbose_name_plural': 'essayer comme une famille',
                'proxy': True,
                'indexes': [],
                'constraints': [],
            },
            bases=('families.household',),
        ),
        migrations.AddField(
            model_name='household',
            name='trial',
            field=models.BooleanField(db_default=False, default=False, editable=False, help_text='Ne compte nulle part, et ne devient jamais un vrai foyer.', verbose_name="foyer d'essai"),
        ),
        migrations.AddField(
            model_name='household',
            name='trial_of',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='essayé par'),
        ),
        migrations.AddIndex(
            model_name='household',
            index=models.Index(condition=models.Q(('trial', True)), fields=['id'], name='household_on_trial'),
        ),
        migrations.AddConstraint(
            model_name='household',
            constraint=models.UniqueConstraint(condition=models.Q(('trial', True)), fields=('trial_of',), name='one_trial_an_agent', violation_error_message="Vous avez déjà un foyer d'essai."),
        ),
        migrations.AddConstraint(
            model_name='household',
            constraint=models.CheckConstraint(condition=models.Q(('trial', True), ('trial_of', None), _connector='OR'), name='only_trials_are_tried', violation_error_message="Seul un foyer d'essai est essayé par un agent."),
        ),
        migrations.AddConstraint(
            model_name='household',
            constraint=models.CheckConstraint(condition=models.Q(('trial', False), ('joined_to', None), _connector='OR'), name='no_trial_is_joined', violation_error_message="Un foyer d'essai ne rejoint aucun foyer."),
        ),
    ]
