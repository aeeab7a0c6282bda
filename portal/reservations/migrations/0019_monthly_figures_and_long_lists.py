"""Months counted for the statistics, and indexes in the order in which the desk lists what there is most of."""

import django.db.models.deletion
import django.db.models.functions.comparison
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('reservations', '0018_days_of_many_children'),
    ]

    operations = [
        migrations.CreateModel(
            name='CountedMonth',
            fields=[
                ('first', models.DateField(primary_key=True, serialize=False, verbose_name='mois')),
                ('counted_at', models.DateTimeField(verbose_name='compté le')),
                ('closed', models.BooleanField(default=False, verbose_name='définitif')),
            ],
            options={
                'verbose_name': 'mois compté',
                'verbose_name_plural': 'mois comptés',
                'ordering': ['-first'],
            },
        ),
        migrations.CreateModel(
            name='MonthlyFigure',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('presences', 'Présences réservées'), ('absences', 'Absences'), ('children', 'Enfants accueillis'), ('occupancy', 'Occupation'), ('answered', 'Demandes traitées'), ('bands', 'Présences par tranche de quotient')], max_length=12, verbose_name='chiffre')),
                ('what', models.CharField(blank=True, max_length=120, verbose_name='détail')),
                ('step', models.PositiveIntegerField(default=0, verbose_name='rang')),
                ('count', models.PositiveIntegerField(verbose_name='nombre')),
                ('total', models.PositiveIntegerField(default=0, verbose_name='sur')),
                ('activity', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='reservations.activity', verbose_name='activité')),
                ('establishment', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='reservations.establishment', verbose_name='établissement')),
                ('formula', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='reservations.formula', verbose_name='formule')),
                ('month', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='figures', to='reservations.countedmonth', verbose_name='mois')),
            ],
            options={
                'verbose_name': "chiffre d'un mois",
                'verbose_name_plural': 'chiffres des mois',
                'ordering': ['month', 'kind', 'pk'],
                'indexes': [models.Index(fields=['kind', 'month'], name='figure_by_kind_and_month')],
                'constraints': [models.UniqueConstraint(models.F('month'), models.F('kind'), django.db.models.functions.comparison.Coalesce('establishment', 0), django.db.models.functions.comparison.Coalesce('activity', 0), django.db.models.functions.comparison.Coalesce('formula', 0), models.F('what'), models.F('step'), name='one_figure_of_a_month', violation_error_message='Ce chiffre est déjà compté pour ce mois.')],
            },
        ),
        migrations.AddIndex(
            model_name='booking',
            index=models.Index(fields=['-day', 'id'], name='booking_by_day'),
        ),
        migrations.AddIndex(
            model_name='booking',
            index=models.Index(condition=models.Q(('state__in', ['requested', 'waitlisted', 'offered', 'cancel_requested', 'cancelled', 'refused'])), fields=['state', '-day', 'id'], name='booking_by_other_state'),
        ),
        migrations.AddIndex(
            model_name='reservation',
            index=models.Index(fields=['submitted_at', 'id'], name='reservation_by_arrival'),
        ),
        migrations.AddIndex(
            model_name='reservationline',
            index=models.Index(fields=['day'], name='line_by_day'),
        ),
        migrations.AddIndex(
            model_name='reservationline',
            index=models.Index(condition=models.Q(('outcome__in', ['requested', 'waitlisted', 'offered', 'refused', 'cancelled'])), fields=['outcome', 'day'], name='line_by_other_outcome'),
        ),
    ]
