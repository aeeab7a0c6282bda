"""What undoes a payment is a row of its own, of its own kind; refunds by transfer, new due dates."""

from typing import Any

import django.db.models.deletion
import portal.database.encrypted
import portal.french.official_numbers
from django.conf import settings
from django.db import migrations, models

from portal.database.operations import Lifted


def say_kinds(apps: Any, schema_editor: Any) -> None:
    """Until now what named another payment was a refund or, where positive, one that came back."""
    for name in ("Payment", "HistoricalPayment"):
        rows = apps.get_model("billing", name).objects.using(schema_editor.connection.alias)
        about = rows.filter(refunds__isnull=False)
        about.filter(amount__lt=0).update(kind="refund")
        about.filter(amount__gt=0).update(kind="back")


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0016_credit_lines_and_write_offs'),
        ('families', '0019_joined_households'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='NewDueDate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('due_on', models.DateField(verbose_name='à payer au plus tard le')),
                ('reason', models.CharField(max_length=300, verbose_name='motif')),
                ('at', models.DateTimeField(verbose_name='le')),
            ],
            options={
                'verbose_name': 'nouvelle échéance',
                'verbose_name_plural': 'nouvelles échéances',
                'ordering': ['-at', '-pk'],
            },
        ),
        migrations.CreateModel(
            name='Reallocation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('paid_before', models.JSONField(help_text='Numéro de facture et montant, en euros.', verbose_name='payait')),
                ('pays_now', models.JSONField(help_text='Numéro de facture et montant, en euros.', verbose_name='paie')),
                ('reason', models.CharField(max_length=300, verbose_name='motif')),
                ('at', models.DateTimeField(verbose_name='le')),
            ],
            options={
                'verbose_name': 'réaffectation',
                'ordering': ['-at', '-pk'],
            },
        ),
        migrations.CreateModel(
            name='TransferFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('message', models.CharField(max_length=35, unique=True, verbose_name='message')),
                ('paid_on', models.DateField(verbose_name='date des virements')),
                ('content', portal.database.encrypted.EncryptedTextField(verbose_name='fichier')),
                ('made_at', models.DateTimeField(verbose_name='créé le')),
            ],
            options={
                'verbose_name': 'fichier de virements',
                'verbose_name_plural': 'fichiers de virements',
                'ordering': ['-made_at'],
            },
        ),
        migrations.CreateModel(
            name='TransferRefund',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('holder', models.CharField(max_length=70, verbose_name='titulaire du compte')),
                ('iban', portal.database.encrypted.EncryptedIbanField(blank=True, max_length=34, verbose_name='IBAN')),
                ('iban_end', portal.database.encrypted.EndOf(blank=True, db_default='', default='', editable=False, max_length=4, of='iban', verbose_name='IBAN (quatre derniers signes)')),
                ('bic', portal.french.official_numbers.BicField(blank=True, max_length=11, verbose_name='BIC')),
                ('state', models.CharField(choices=[('waiting', 'À mettre dans un fichier'), ('in_file', 'Confié à la banque'), ('done', 'Exécuté'), ('refused', 'Rejeté par la banque'), ('cancelled', 'Abandonné')], default='waiting', max_length=9, verbose_name='état')),
                ('asked_at', models.DateTimeField(verbose_name='demandé le')),
                ('ended_on', models.DateField(blank=True, null=True, verbose_name='terminé le')),
                ('why_not', models.CharField(blank=True, max_length=140, verbose_name="motif du rejet ou de l'abandon")),
            ],
            options={
                'verbose_name': 'remboursement par virement',
                'verbose_name_plural': 'remboursements par virement',
                'ordering': ['-asked_at', '-pk'],
            },
        ),
        # SQLite makes these tables anew, and the triggers name their columns.
        Lifted("billing.ledger", [
            migrations.RemoveConstraint(
                model_name='accountentry',
                name='one_entry_a_document',
            ),
            migrations.AlterField(
                model_name='accountentry',
                name='kind',
                field=models.CharField(choices=[('invoice', 'Facture'), ('credit', 'Avoir'), ('payment', 'Règlement'), ('refund', 'Remboursement'), ('reversal', 'Annulation'), ('transfer', 'Transfert'), ('write_off', 'Abandon de créance'), ('carried', 'Report')], max_length=9, verbose_name='nature'),
            ),
            migrations.AddConstraint(
                model_name='accountentry',
                constraint=models.UniqueConstraint(condition=models.Q(('kind__in', ['invoice', 'credit', 'payment', 'refund', 'reversal', 'transfer'])), fields=('kind', 'document'), name='one_entry_a_document', violation_error_message='Cette pièce est déjà dans le compte.'),
            ),
        ]),
        Lifted("billing.final", [
            migrations.AddField(
                model_name='historicalpayment',
                name='because',
                field=models.CharField(blank=True, choices=[('bounced', 'Chèque ou virement rejeté par la banque'), ('amount', 'Montant mal saisi'), ('household', 'Mauvais foyer'), ('twice', 'Noté deux fois'), ('returned', 'Prélèvement rejeté par la banque'), ('other', 'Autre raison')], db_default='', max_length=9, verbose_name='cause'),
            ),
            migrations.AddField(
                model_name='historicalpayment',
                name='kind',
                field=models.CharField(choices=[('payment', 'Règlement'), ('transfer', 'Transfert'), ('refund', 'Remboursement'), ('back', 'Remboursement revenu'), ('reversal', 'Annulation')], db_default='payment', default='payment', max_length=8, verbose_name='nature'),
            ),
            migrations.AddField(
                model_name='historicalpayment',
                name='moved_from',
                field=models.ForeignKey(blank=True, db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='billing.payment', verbose_name='vient du règlement'),
            ),
            migrations.AddField(
                model_name='historicalpayment',
                name='reason',
                field=models.CharField(blank=True, db_default='', max_length=300, verbose_name='motif'),
            ),
            migrations.AddField(
                model_name='payment',
                name='because',
                field=models.CharField(blank=True, choices=[('bounced', 'Chèque ou virement rejeté par la banque'), ('amount', 'Montant mal saisi'), ('household', 'Mauvais foyer'), ('twice', 'Noté deux fois'), ('returned', 'Prélèvement rejeté par la banque'), ('other', 'Autre raison')], db_default='', max_length=9, verbose_name='cause'),
            ),
            migrations.AddField(
                model_name='payment',
                name='kind',
                field=models.CharField(choices=[('payment', 'Règlement'), ('transfer', 'Transfert'), ('refund', 'Remboursement'), ('back', 'Remboursement revenu'), ('reversal', 'Annulation')], db_default='payment', default='payment', max_length=8, verbose_name='nature'),
            ),
            migrations.AddField(
                model_name='payment',
                name='moved_from',
                field=models.OneToOneField(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='moved_to', to='billing.payment', verbose_name='vient du règlement'),
            ),
            migrations.AddField(
                model_name='payment',
                name='reason',
                field=models.CharField(blank=True, db_default='', max_length=300, verbose_name='motif'),
            ),
            migrations.AlterField(
                model_name='historicalpayment',
                name='refunds',
                field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='billing.payment', verbose_name='concerne le règlement'),
            ),
            migrations.AlterField(
                model_name='payment',
                name='refunds',
                field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='refunded_by', to='billing.payment', verbose_name='concerne le règlement'),
            ),
            migrations.RunPython(say_kinds, migrations.RunPython.noop),
            migrations.AddConstraint(
                model_name='payment',
                constraint=models.CheckConstraint(condition=models.Q(models.Q(('amount__gt', 0), ('kind', 'payment'), ('refunds', None)), models.Q(('amount__gt', 0), ('kind', 'transfer'), ('refunds', None)), models.Q(('amount__gt', 0), ('kind', 'back'), ('refunds__isnull', False)), models.Q(('amount__lt', 0), ('kind__in', ['refund', 'reversal', 'transfer']), ('refunds__isnull', False)), _connector='OR'), name='payment_of_a_kind', violation_error_message="Ce mouvement n'est d'aucune nature connue."),
            ),
            migrations.AddConstraint(
                model_name='payment',
                constraint=models.UniqueConstraint(condition=models.Q(('kind', 'reversal')), fields=('refunds',), name='payment_reversed_once', violation_error_message='Ce règlement est déjà annulé.'),
            ),
        ]),
        migrations.AddField(
            model_name='newduedate',
            name='by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='par'),
        ),
        migrations.AddField(
            model_name='newduedate',
            name='invoice',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='new_due_dates', to='billing.invoice', verbose_name='facture'),
        ),
        migrations.AddField(
            model_name='reallocation',
            name='by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='par'),
        ),
        migrations.AddField(
            model_name='reallocation',
            name='payment',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='reallocations', to='billing.payment', verbose_name='règlement'),
        ),
        migrations.AddField(
            model_name='transferfile',
            name='made_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='créé par'),
        ),
        migrations.AddField(
            model_name='transferrefund',
            name='asked_by',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='demandé par'),
        ),
        migrations.AddField(
            model_name='transferrefund',
            name='file',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='refunds', to='billing.transferfile', verbose_name='fichier'),
        ),
        migrations.AddField(
            model_name='transferrefund',
            name='payment',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='transfer', to='billing.payment', verbose_name='remboursement'),
        ),
        migrations.AddConstraint(
            model_name='transferrefund',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('file', None), ('state', 'waiting')), models.Q(('file__isnull', False), ('state__in', ['in_file', 'done', 'refused'])), models.Q(('file', None), ('state', 'cancelled')), _connector='OR'), name='transfer_in_its_file', violation_error_message="Ce virement n'est dans aucun fichier."),
        ),
    ]
