"""Several régies: a document or a payment of none is the town's own régie's, as all of before."""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.comparison
import portal.french.official_numbers
import simple_history.models
from django.conf import settings
from django.db import migrations, models

from portal.database.operations import Lifted


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0013_where_billing_began'),
        ('families', '0019_joined_households'),
        ('reservations', '0016_papers_of_activities'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ActivityRegie',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
            ],
            options={
                'verbose_name': "activité d'une régie",
                'verbose_name_plural': 'activités des régies',
                'ordering': ['regie', 'activity'],
            },
        ),
        migrations.CreateModel(
            name='HistoricalRegie',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('collection', models.CharField(choices=[('regie', 'Régie de recettes'), ('titre', 'Titre de recettes')], default='regie', max_length=8, verbose_name='recouvrement')),
                ('issuer_name', models.CharField(blank=True, help_text='Vide : le nom de la commune.', max_length=160, verbose_name='émetteur')),
                ('issuer_address', models.TextField(blank=True, verbose_name="adresse de l'émetteur")),
                ('signatory', models.CharField(blank=True, help_text='Nom et qualité, au bas des reçus : « Dominique Roy, régisseur titulaire ».', max_length=120, verbose_name='signataire')),
                ('siret', portal.french.official_numbers.SiretField(blank=True, max_length=14, verbose_name='SIRET')),
                ('vat_notice', models.CharField(blank=True, help_text='Par exemple : restauration scolaire hors du champ de la TVA.', max_length=200, verbose_name='mention de TVA')),
                ('legal_notice', models.TextField(blank=True, verbose_name='mentions légales de la facture')),
                ('recourse', models.TextField(blank=True, verbose_name='voies de recours')),
                ('reminder_notice', models.TextField(blank=True, help_text='Ce qui arrive sans paiement, par exemple la transmission au comptable public.', verbose_name='mention des relances')),
                ('iban', portal.french.official_numbers.IbanField(blank=True, max_length=34, verbose_name='IBAN')),
                ('bic', portal.french.official_numbers.BicField(blank=True, max_length=11, verbose_name='BIC')),
                ('cheque_payable_to', models.CharField(blank=True, max_length=120, verbose_name="chèque à l'ordre de")),
                ('cheque_address', models.TextField(blank=True, verbose_name='où envoyer ou déposer le chèque')),
                ('desk', models.CharField(blank=True, help_text='Lieu et horaires pour payer sur place.', max_length=200, verbose_name='guichet')),
                ('creditor_identifier', portal.french.official_numbers.CreditorField(blank=True, max_length=35, verbose_name='identifiant créancier SEPA (ICS)')),
                ('name', models.CharField(db_index=True, error_messages={'unique': 'Une autre régie porte ce nom.'}, help_text='Comme les familles le lisent : « Centre de loisirs ».', max_length=120, verbose_name='nom')),
                ('code', models.CharField(db_index=True, error_messages={'unique': 'Une autre régie a ce code.'}, help_text="Il nomme son contrat de paiement en ligne dans les réglages du serveur, par exemple STRIPE_SECRET_KEY__LOISIRS, et l'adresse de ses notifications.", max_length=12, validators=[django.core.validators.RegexValidator('^[A-Z][A-Z0-9]{1,11}\\Z', 'Deux à douze lettres majuscules ou chiffres.')], verbose_name='code')),
                ('letters', models.CharField(help_text='« CL » : factures F-CL2026-000001, reçus R-CL2026-000001. Elles ne changent plus.', max_length=4, validators=[django.core.validators.RegexValidator('^[A-Z]{1,4}\\Z', 'Une à quatre lettres majuscules.')], verbose_name='lettres des séries')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
            ],
            options={
                'verbose_name': 'historical régie',
                'verbose_name_plural': 'historical régies',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='Regie',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('collection', models.CharField(choices=[('regie', 'Régie de recettes'), ('titre', 'Titre de recettes')], default='regie', max_length=8, verbose_name='recouvrement')),
                ('issuer_name', models.CharField(blank=True, help_text='Vide : le nom de la commune.', max_length=160, verbose_name='émetteur')),
                ('issuer_address', models.TextField(blank=True, verbose_name="adresse de l'émetteur")),
                ('signatory', models.CharField(blank=True, help_text='Nom et qualité, au bas des reçus : « Dominique Roy, régisseur titulaire ».', max_length=120, verbose_name='signataire')),
                ('siret', portal.french.official_numbers.SiretField(blank=True, max_length=14, verbose_name='SIRET')),
                ('vat_notice', models.CharField(blank=True, help_text='Par exemple : restauration scolaire hors du champ de la TVA.', max_length=200, verbose_name='mention de TVA')),
                ('legal_notice', models.TextField(blank=True, verbose_name='mentions légales de la facture')),
                ('recourse', models.TextField(blank=True, verbose_name='voies de recours')),
                ('reminder_notice', models.TextField(blank=True, help_text='Ce qui arrive sans paiement, par exemple la transmission au comptable public.', verbose_name='mention des relances')),
                ('iban', portal.french.official_numbers.IbanField(blank=True, max_length=34, verbose_name='IBAN')),
                ('bic', portal.french.official_numbers.BicField(blank=True, max_length=11, verbose_name='BIC')),
                ('cheque_payable_to', models.CharField(blank=True, max_length=120, verbose_name="chèque à l'ordre de")),
                ('cheque_address', models.TextField(blank=True, verbose_name='où envoyer ou déposer le chèque')),
                ('desk', models.CharField(blank=True, help_text='Lieu et horaires pour payer sur place.', max_length=200, verbose_name='guichet')),
                ('creditor_identifier', portal.french.official_numbers.CreditorField(blank=True, max_length=35, verbose_name='identifiant créancier SEPA (ICS)')),
                ('name', models.CharField(error_messages={'unique': 'Une autre régie porte ce nom.'}, help_text='Comme les familles le lisent : « Centre de loisirs ».', max_length=120, unique=True, verbose_name='nom')),
                ('code', models.CharField(error_messages={'unique': 'Une autre régie a ce code.'}, help_text="Il nomme son contrat de paiement en ligne dans les réglages du serveur, par exemple STRIPE_SECRET_KEY__LOISIRS, et l'adresse de ses notifications.", max_length=12, unique=True, validators=[django.core.validators.RegexValidator('^[A-Z][A-Z0-9]{1,11}\\Z', 'Deux à douze lettres majuscules ou chiffres.')], verbose_name='code')),
                ('letters', models.CharField(help_text='« CL » : factures F-CL2026-000001, reçus R-CL2026-000001. Elles ne changent plus.', max_length=4, validators=[django.core.validators.RegexValidator('^[A-Z]{1,4}\\Z', 'Une à quatre lettres majuscules.')], verbose_name='lettres des séries')),
            ],
            options={
                'verbose_name': 'régie',
                'ordering': ['name'],
            },
        ),
        migrations.RemoveConstraint(
            model_name='mandate',
            name='one_mandate_a_household',
        ),
        migrations.AddField(
            model_name='billingsettings',
            name='signatory',
            field=models.CharField(blank=True, help_text='Nom et qualité, au bas des reçus : « Dominique Roy, régisseur titulaire ».', max_length=120, verbose_name='signataire'),
        ),
        migrations.AddField(
            model_name='historicalbillingsettings',
            name='signatory',
            field=models.CharField(blank=True, help_text='Nom et qualité, au bas des reçus : « Dominique Roy, régisseur titulaire ».', max_length=120, verbose_name='signataire'),
        ),
        migrations.AlterField(
            model_name='bookclosing',
            name='until',
            field=models.DateField(verbose_name="clos jusqu'au"),
        ),
        migrations.AddField(
            model_name='activityregie',
            name='activity',
            field=models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='reservations.activity', verbose_name='activité'),
        ),
        migrations.AddField(
            model_name='historicalregie',
            name='history_user',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='regie',
            name='activities',
            field=models.ManyToManyField(related_name='+', through='billing.ActivityRegie', to='reservations.activity', verbose_name='activités'),
        ),
        migrations.AddField(
            model_name='activityregie',
            name='regie',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='owned', to='billing.regie', verbose_name='régie'),
        ),
        migrations.AddField(
            model_name='bookclosing',
            name='regie',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.regie', verbose_name='régie'),
        ),
        migrations.AddField(
            model_name='debitfile',
            name='regie',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.regie', verbose_name='régie'),
        ),
        migrations.AddField(
            model_name='historicalmandate',
            name='regie',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='billing.regie', verbose_name='régie'),
        ),
        migrations.AddField(
            model_name='historicalmanualcharge',
            name='regie',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='billing.regie', verbose_name='régie'),
        ),
        migrations.AddField(
            model_name='historicalpayment',
            name='regie',
            field=models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='billing.regie', verbose_name='régie'),
        ),
        migrations.AddField(
            model_name='mandate',
            name='regie',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.regie', verbose_name='régie'),
        ),
        migrations.AddField(
            model_name='manualcharge',
            name='regie',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.regie', verbose_name='régie'),
        ),
        migrations.AddField(
            model_name='onlinepayment',
            name='regie',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.regie', verbose_name='régie'),
        ),
        migrations.AddConstraint(
            model_name='bookclosing',
            constraint=models.UniqueConstraint(condition=models.Q(('regie__isnull', True)), fields=('until',), name='one_closing_a_day', violation_error_message="Les comptes sont déjà clos jusqu'à ce jour."),
        ),
        migrations.AddConstraint(
            model_name='bookclosing',
            constraint=models.UniqueConstraint(condition=models.Q(('regie__isnull', False)), fields=('until', 'regie'), name='one_closing_a_day_and_regie', violation_error_message="Les comptes de cette régie sont déjà clos jusqu'à ce jour."),
        ),
        migrations.AddConstraint(
            model_name='mandate',
            constraint=models.UniqueConstraint(condition=models.Q(('regie__isnull', True), ('revoked_on__isnull', True)), fields=('household',), name='one_mandate_a_household', violation_error_message="Ce foyer a déjà un mandat : révoquez-le d'abord."),
        ),
        migrations.AddConstraint(
            model_name='mandate',
            constraint=models.UniqueConstraint(condition=models.Q(('regie__isnull', False), ('revoked_on__isnull', True)), fields=('household', 'regie'), name='one_mandate_a_household_and_regie', violation_error_message="Ce foyer a déjà un mandat pour cette régie : révoquez-le d'abord."),
        ),
        migrations.AddConstraint(
            model_name='regie',
            constraint=models.UniqueConstraint(fields=('letters',), name='regies_never_share_a_series', violation_error_message="Une autre régie a ces lettres : deux régies n'ont jamais les mêmes numéros."),
        ),
        migrations.AddConstraint(
            model_name='regie',
            constraint=models.CheckConstraint(condition=models.Q(('letters', ''), _negated=True), name='regie_has_letters', violation_error_message='Donnez des lettres à ses séries.'),
        ),
        # SQLite makes these tables anew, and the triggers name their columns.
        Lifted("billing.final", [
            migrations.RemoveConstraint(
                model_name='invoice',
                name='one_invoice_a_household_and_run',
            ),
            migrations.AddField(
                model_name='invoice',
                name='regie',
                field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.regie', verbose_name='régie'),
            ),
            migrations.AddField(
                model_name='payment',
                name='regie',
                field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.regie', verbose_name='régie'),
            ),
            migrations.AddConstraint(
                model_name='invoice',
                constraint=models.UniqueConstraint(django.db.models.functions.comparison.Coalesce('first_household', 'household'), models.F('run'), condition=models.Q(('regie__isnull', True), ('run__isnull', False)), name='one_invoice_a_household_and_run', violation_error_message='Ce foyer a déjà sa facture dans cette facturation.'),
            ),
            migrations.AddConstraint(
                model_name='invoice',
                constraint=models.UniqueConstraint(django.db.models.functions.comparison.Coalesce('first_household', 'household'), models.F('run'), models.F('regie'), condition=models.Q(('regie__isnull', False), ('run__isnull', False)), name='one_invoice_a_household_run_and_regie', violation_error_message='Ce foyer a déjà sa facture de cette régie dans cette facturation.'),
            ),
        ]),
        Lifted("billing.ledger", [
            migrations.AddField(
                model_name='accountentry',
                name='regie',
                field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.regie', verbose_name='régie'),
            ),
        ]),
    ]
