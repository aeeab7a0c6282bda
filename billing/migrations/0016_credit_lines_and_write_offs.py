"""Lines of credit notes, what they free; write-offs; households that a run leaves out."""

import django.db.models.deletion
from decimal import Decimal
from django.conf import settings
from django.db import migrations, models

from portal.database.operations import Lifted


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0015_cash_desk'),
        ('families', '0019_joined_households'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # SQLite makes the tables of credit notes and printed files anew.
        Lifted("billing.final", [
            migrations.CreateModel(
                name='CreditedItem',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ],
                options={
                    'verbose_name': 'élément crédité',
                    'verbose_name_plural': 'éléments crédités',
                },
            ),
            migrations.CreateModel(
                name='CreditNoteLine',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('position', models.PositiveSmallIntegerField(verbose_name='rang')),
                    ('label', models.CharField(max_length=200, verbose_name='désignation')),
                    ('days', models.JSONField(blank=True, default=list, verbose_name='jours')),
                    ('quantity', models.DecimalField(decimal_places=2, max_digits=8, verbose_name='quantité')),
                    ('unit_price', models.DecimalField(decimal_places=2, max_digits=9, verbose_name='prix unitaire')),
                    ('amount', models.DecimalField(decimal_places=2, max_digits=10, verbose_name='montant')),
                ],
                options={
                    'verbose_name': "ligne d'avoir",
                    'verbose_name_plural': "lignes d'avoirs",
                    'ordering': ['note', 'position'],
                },
            ),
            migrations.CreateModel(
                name='WriteOff',
                fields=[
                    ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                    ('number', models.CharField(max_length=24, unique=True, verbose_name='numéro')),
                    ('series', models.CharField(max_length=8, verbose_name='série')),
                    ('year', models.PositiveSmallIntegerField(verbose_name='année')),
                    ('sequence', models.PositiveIntegerField(verbose_name='rang dans la série')),
                    ('kind', models.CharField(choices=[('uncollectable', 'Admission en non-valeur'), ('remission', 'Remise gracieuse'), ('extinguished', 'Créance éteinte')], max_length=13, verbose_name='nature')),
                    ('amount', models.DecimalField(decimal_places=2, max_digits=10, verbose_name='montant')),
                    ('reason', models.CharField(max_length=300, verbose_name='motif')),
                    ('decision', models.CharField(help_text='La référence de la délibération.', max_length=100, verbose_name='décision')),
                    ('decided_on', models.DateField(verbose_name='décidé le')),
                    ('issued_at', models.DateTimeField(verbose_name='noté le')),
                ],
                options={
                    'verbose_name': 'abandon de créance',
                    'verbose_name_plural': 'abandons de créances',
                    'ordering': ['-issued_at', '-sequence'],
                },
            ),
            migrations.AddField(
                model_name='billingrun',
                name='left_out',
                field=models.ManyToManyField(blank=True, help_text='Aucun : tous.', related_name='+', to='families.household', verbose_name='sauf ces foyers'),
            ),
            migrations.AddField(
                model_name='creditnote',
                name='becomes',
                field=models.CharField(blank=True, choices=[('kept', 'gardé pour la suite'), ('refunded', 'à rembourser')], db_default='', default='', max_length=8, verbose_name="ce que devient l'argent"),
            ),
            migrations.AddField(
                model_name='creditnote',
                name='freed',
                field=models.DecimalField(db_default=Decimal('0'), decimal_places=2, default=Decimal('0'), max_digits=10, verbose_name='déjà payé, rendu disponible'),
            ),
            migrations.AddField(
                model_name='creditnote',
                name='line_count',
                field=models.PositiveSmallIntegerField(db_default=0, default=0, verbose_name='nombre de lignes'),
            ),
            migrations.AddField(
                model_name='invoicepdf',
                name='credited',
                field=models.DecimalField(db_default=Decimal('0'), decimal_places=2, default=Decimal('0'), max_digits=10, verbose_name="avoirs à l'impression"),
            ),
            migrations.AddField(
                model_name='invoicepdf',
                name='written_off',
                field=models.DecimalField(db_default=Decimal('0'), decimal_places=2, default=Decimal('0'), max_digits=10, verbose_name="abandons à l'impression"),
            ),
            migrations.AlterField(
                model_name='formerdocument',
                name='kind',
                field=models.CharField(choices=[('invoice', 'Facture'), ('credit', 'Avoir'), ('payment', 'Règlement'), ('writeoff', 'Abandon de créance')], max_length=8, verbose_name='nature'),
            ),
            migrations.AddConstraint(
                model_name='accountentry',
                constraint=models.UniqueConstraint(condition=models.Q(('kind', 'write_off')), fields=('document',), name='one_entry_a_write_off', violation_error_message='Cette pièce est déjà dans le compte.'),
            ),
            migrations.AddField(
                model_name='crediteditem',
                name='item',
                field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='credited', to='billing.billeditem', verbose_name='élément facturé'),
            ),
            migrations.AddField(
                model_name='creditnoteline',
                name='line',
                field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='credit_lines', to='billing.invoiceline', verbose_name='ligne de facture'),
            ),
            migrations.AddField(
                model_name='creditnoteline',
                name='note',
                field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='billing.creditnote', verbose_name='avoir'),
            ),
            migrations.AddField(
                model_name='crediteditem',
                name='line',
                field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='items', to='billing.creditnoteline', verbose_name="ligne d'avoir"),
            ),
            migrations.AddField(
                model_name='writeoff',
                name='invoice',
                field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='write_offs', to='billing.invoice', verbose_name='facture'),
            ),
            migrations.AddField(
                model_name='writeoff',
                name='issued_by',
                field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='noté par'),
            ),
            migrations.AddConstraint(
                model_name='creditnoteline',
                constraint=models.UniqueConstraint(fields=('note', 'position'), name='one_credit_line_a_position'),
            ),
            migrations.AddConstraint(
                model_name='writeoff',
                constraint=models.UniqueConstraint(fields=('series', 'year', 'sequence'), name='one_write_off_a_number_in_series'),
            ),
            migrations.AddConstraint(
                model_name='writeoff',
                constraint=models.CheckConstraint(condition=models.Q(('amount__gt', 0)), name='write_off_positive', violation_error_message="Un abandon de créance est d'un montant positif."),
            ),
        ]),
    ]
