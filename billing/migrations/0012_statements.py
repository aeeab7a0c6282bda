"""What comes to too little for an invoice is a statement, whose lines the next invoice takes over."""

import django.db.models.deletion
from django.db import migrations, models

from portal.database.operations import Lifted


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0011_accounts_of_before'),
        ('families', '0017_households_of_an_adult'),
    ]

    operations = [
        # SQLite makes these tables anew, and the triggers name their columns.
        Lifted("billing.final", [
            migrations.RemoveConstraint(
                model_name='invoice',
                name='invoice_total_positive',
            ),
            migrations.AddField(
                model_name='invoice',
                name='kind',
                field=models.CharField(choices=[('invoice', 'Facture'), ('carried', 'Relevé reporté')], db_default='invoice', default='invoice', max_length=7, verbose_name='nature'),
            ),
            migrations.AddField(
                model_name='invoiceline',
                name='carried',
                field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='taken_over', to='billing.invoice', verbose_name='reprise du relevé'),
            ),
            migrations.AlterField(
                model_name='invoiceline',
                name='kind',
                field=models.CharField(choices=[('presence', 'Présences'), ('flat', 'Forfait'), ('free', 'Non facturé'), ('credit', 'Régularisation en votre faveur'), ('debit', 'Régularisation'), ('manual', 'Ligne ajoutée'), ('carried', 'Report')], default='presence', max_length=8, verbose_name='nature'),
            ),
            migrations.AddConstraint(
                model_name='invoice',
                constraint=models.CheckConstraint(condition=models.Q(('total__gt', 0), ('kind', 'carried'), _connector='OR'), name='invoice_total_positive', violation_error_message="Une facture est toujours d'un montant positif."),
            ),
        ]),
    ]
