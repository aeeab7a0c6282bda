"""Means of payment as rows, deposit slips, cash counted.

A town that used more than cash, cheques and cards at the desk goes on with it: its means get their rows. What a
CESU may pay is then for the town to say. What was taken before this day has been handed over.
"""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.comparison
import simple_history.models
from decimal import Decimal
from typing import Any
from django.conf import settings
from django.db import migrations, models
from django.utils import timezone


USED = {
    "transfer": {"label": "Virement", "order": 40, "reference": "Référence du virement"},
    "cesu": {
        "label": "CESU",
        "order": 50,
        "limited": True,
        "reference": "N° des titres",
        "no_change": True,
        "deposit": "slip",
    },
}


def write(apps: Any, schema_editor: Any) -> None:
    alias = schema_editor.connection.alias
    payments, means, settings = (
        apps.get_model("billing", name).objects.using(alias)
        for name in ("Payment", "PaymentMeans", "BillingSettings")
    )
    if not payments.exists():
        return
    for code, said in USED.items():
        if payments.filter(means=code).exists():
            means.create(code=code, at_desk=True, **said)
    row, _ = settings.get_or_create(pk=1)
    settings.filter(pk=row.pk).update(deposits_from=timezone.localdate())


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0014_regies'),
        ('reservations', '0016_papers_of_activities'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='billingsettings',
            name='cash_float',
            field=models.DecimalField(db_default=Decimal('0'), decimal_places=2, default=Decimal('0'), help_text='Ce qui reste toujours en caisse pour rendre la monnaie.', max_digits=8, validators=[django.core.validators.MinValueValidator(Decimal('0'), "Un montant n'est jamais négatif.")], verbose_name='fonds de caisse'),
        ),
        migrations.AddField(
            model_name='billingsettings',
            name='cash_maximum',
            field=models.DecimalField(blank=True, decimal_places=2, help_text='Espèces à garder au plus, sans le fonds de caisse, avant un versement au comptable. Vide : aucune limite.', max_digits=8, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0'), "Un montant n'est jamais négatif.")], verbose_name='encaisse maximale'),
        ),
        migrations.AddField(
            model_name='billingsettings',
            name='deposits_from',
            field=models.DateField(blank=True, help_text="Ce qui a été encaissé avant est déjà remis. Vide : tout ce qui n'est sur aucun bordereau.", null=True, verbose_name='bordereaux et versements à partir du'),
        ),
        migrations.AddField(
            model_name='historicalbillingsettings',
            name='cash_float',
            field=models.DecimalField(db_default=Decimal('0'), decimal_places=2, default=Decimal('0'), help_text='Ce qui reste toujours en caisse pour rendre la monnaie.', max_digits=8, validators=[django.core.validators.MinValueValidator(Decimal('0'), "Un montant n'est jamais négatif.")], verbose_name='fonds de caisse'),
        ),
        migrations.AddField(
            model_name='historicalbillingsettings',
            name='cash_maximum',
            field=models.DecimalField(blank=True, decimal_places=2, help_text='Espèces à garder au plus, sans le fonds de caisse, avant un versement au comptable. Vide : aucune limite.', max_digits=8, null=True, validators=[django.core.validators.MinValueValidator(Decimal('0'), "Un montant n'est jamais négatif.")], verbose_name='encaisse maximale'),
        ),
        migrations.AddField(
            model_name='historicalbillingsettings',
            name='deposits_from',
            field=models.DateField(blank=True, help_text="Ce qui a été encaissé avant est déjà remis. Vide : tout ce qui n'est sur aucun bordereau.", null=True, verbose_name='bordereaux et versements à partir du'),
        ),
        migrations.AlterField(
            model_name='historicalpayment',
            name='means',
            field=models.CharField(max_length=8, verbose_name='moyen de paiement'),
        ),
        migrations.AlterField(
            model_name='payment',
            name='means',
            field=models.CharField(max_length=8, verbose_name='moyen de paiement'),
        ),
        migrations.CreateModel(
            name='DepositSlip',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.CharField(max_length=24, unique=True, verbose_name='numéro')),
                ('series', models.CharField(max_length=8, verbose_name='série')),
                ('year', models.PositiveSmallIntegerField(verbose_name='année')),
                ('sequence', models.PositiveIntegerField(verbose_name='rang dans la série')),
                ('means', models.CharField(max_length=8, verbose_name='moyen de paiement')),
                ('deposited_on', models.DateField(verbose_name='remis le')),
                ('total', models.DecimalField(decimal_places=2, max_digits=10, verbose_name='total')),
                ('line_count', models.PositiveSmallIntegerField(verbose_name='nombre de règlements')),
                ('made_at', models.DateTimeField(verbose_name='établi le')),
                ('made_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='établi par')),
            ],
            options={
                'verbose_name': 'bordereau de remise',
                'verbose_name_plural': 'bordereaux de remise',
                'ordering': ['-made_at', '-sequence'],
            },
        ),
        migrations.CreateModel(
            name='DepositLine',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('number', models.CharField(max_length=24, verbose_name='reçu n°')),
                ('drawer', models.CharField(blank=True, max_length=200, verbose_name='payeur')),
                ('reference', models.CharField(blank=True, max_length=100, verbose_name='référence')),
                ('amount', models.DecimalField(decimal_places=2, max_digits=10, verbose_name='montant')),
                ('cancelled', models.BooleanField(default=False, verbose_name='bordereau annulé')),
                ('payment', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='deposits', to='billing.payment', verbose_name='règlement')),
                ('slip', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='lines', to='billing.depositslip', verbose_name='bordereau')),
            ],
            options={
                'verbose_name': 'règlement remis',
                'verbose_name_plural': 'règlements remis',
                'ordering': ['pk'],
            },
        ),
        migrations.CreateModel(
            name='DepositCancellation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(max_length=300, verbose_name='motif')),
                ('cancelled_at', models.DateTimeField(verbose_name='annulé le')),
                ('cancelled_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='annulé par')),
                ('slip', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='cancellation', to='billing.depositslip', verbose_name='bordereau')),
            ],
            options={
                'verbose_name': 'annulation de bordereau',
                'verbose_name_plural': 'annulations de bordereaux',
            },
        ),
        migrations.CreateModel(
            name='HistoricalPaymentMeans',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('code', models.CharField(db_index=True, help_text='Écrit avec chaque règlement : il ne change plus.', max_length=8, validators=[django.core.validators.RegexValidator('^[a-z][a-z0-9_]*\\Z', 'Des minuscules sans accent, huit au plus.')], verbose_name='code')),
                ('label', models.CharField(max_length=60, verbose_name='libellé')),
                ('order', models.PositiveSmallIntegerField(default=50, verbose_name='ordre')),
                ('active', models.BooleanField(default=True, verbose_name='utilisé')),
                ('at_desk', models.BooleanField(default=True, verbose_name='pris au guichet')),
                ('limited', models.BooleanField(default=False, help_text="Celles de la liste ci-dessous, et rien d'autre. Un CESU, par exemple, ne paie jamais un repas.", verbose_name='ne paie que certaines activités')),
                ('reference', models.CharField(blank=True, help_text="Comment elle s'appelle, par exemple « N° de chèque ». Vide : aucune.", max_length=40, verbose_name='référence demandée')),
                ('no_change', models.BooleanField(default=False, help_text="Ce qui dépasse n'est pris que si l'agent le dit, et reste pour les factures suivantes.", verbose_name='ne rend pas la monnaie')),
                ('deposit', models.CharField(blank=True, choices=[('', "rien à remettre : l'argent est déjà à la banque"), ('slip', 'remis par bordereau (chèques, titres)'), ('cash', 'compté en caisse, puis versé au comptable')], default='', max_length=4, verbose_name='remise')),
                ('account', models.CharField(blank=True, max_length=30, verbose_name='compte ou code budgétaire')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical moyen de paiement',
                'verbose_name_plural': 'historical moyens de paiement',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='PaymentMeans',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(help_text='Écrit avec chaque règlement : il ne change plus.', max_length=8, unique=True, validators=[django.core.validators.RegexValidator('^[a-z][a-z0-9_]*\\Z', 'Des minuscules sans accent, huit au plus.')], verbose_name='code')),
                ('label', models.CharField(max_length=60, verbose_name='libellé')),
                ('order', models.PositiveSmallIntegerField(default=50, verbose_name='ordre')),
                ('active', models.BooleanField(default=True, verbose_name='utilisé')),
                ('at_desk', models.BooleanField(default=True, verbose_name='pris au guichet')),
                ('limited', models.BooleanField(default=False, help_text="Celles de la liste ci-dessous, et rien d'autre. Un CESU, par exemple, ne paie jamais un repas.", verbose_name='ne paie que certaines activités')),
                ('reference', models.CharField(blank=True, help_text="Comment elle s'appelle, par exemple « N° de chèque ». Vide : aucune.", max_length=40, verbose_name='référence demandée')),
                ('no_change', models.BooleanField(default=False, help_text="Ce qui dépasse n'est pris que si l'agent le dit, et reste pour les factures suivantes.", verbose_name='ne rend pas la monnaie')),
                ('deposit', models.CharField(blank=True, choices=[('', "rien à remettre : l'argent est déjà à la banque"), ('slip', 'remis par bordereau (chèques, titres)'), ('cash', 'compté en caisse, puis versé au comptable')], default='', max_length=4, verbose_name='remise')),
                ('account', models.CharField(blank=True, max_length=30, verbose_name='compte ou code budgétaire')),
            ],
            options={
                'verbose_name': 'moyen de paiement',
                'verbose_name_plural': 'moyens de paiement',
                'ordering': ['order', 'label'],
                'constraints': [models.CheckConstraint(condition=models.Q(('code__in', ('online', 'debit')), ('limited', True), _negated=True), name='means_of_banks_pay_all', violation_error_message='Ce que la banque encaisse paie toutes les activités.'), models.CheckConstraint(condition=models.Q(('at_desk', True), ('code__in', ('online', 'debit')), _negated=True), name='means_of_banks_not_at_the_desk', violation_error_message='Ce moyen ne se prend pas au guichet : la banque le dit elle-même.')],
            },
        ),
        migrations.CreateModel(
            name='PaymentMeansUse',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('under_age', models.PositiveSmallIntegerField(blank=True, help_text='Le jour même. Vide : à tout âge.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(18)], verbose_name='moins de (ans)')),
                ('activity', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='reservations.activity', verbose_name='activité')),
                ('formula', models.ForeignKey(blank=True, help_text="Vide : toutes celles de l'activité.", null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='reservations.formula', verbose_name='formule')),
                ('means', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='uses', to='billing.paymentmeans', verbose_name='moyen de paiement')),
            ],
            options={
                'verbose_name': 'activité payable',
                'verbose_name_plural': 'activités payables',
                'ordering': ['pk'],
            },
        ),
        migrations.CreateModel(
            name='CashCount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('counted_at', models.DateTimeField(verbose_name='compté le')),
                ('cash_float', models.DecimalField(decimal_places=2, max_digits=8, verbose_name='fonds de caisse')),
                ('taken', models.DecimalField(decimal_places=2, max_digits=10, verbose_name='espèces depuis le dernier versement')),
                ('counted', models.DecimalField(decimal_places=2, max_digits=10, verbose_name='compté')),
                ('pieces', models.JSONField(blank=True, default=dict, verbose_name='billets et pièces')),
                ('remark', models.CharField(blank=True, max_length=300, verbose_name='remarque')),
                ('agent', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='caisse de')),
                ('counted_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='compté par')),
            ],
            options={
                'verbose_name': 'comptage de caisse',
                'verbose_name_plural': 'comptages de caisse',
                'ordering': ['-counted_at', '-pk'],
                'constraints': [models.CheckConstraint(condition=models.Q(('counted__gte', 0)), name='cash_counted_not_negative', violation_error_message='Une caisse ne contient jamais moins que rien.')],
            },
        ),
        migrations.AddConstraint(
            model_name='depositslip',
            constraint=models.UniqueConstraint(fields=('series', 'year', 'sequence'), name='one_slip_a_number_in_series'),
        ),
        migrations.AddConstraint(
            model_name='depositslip',
            constraint=models.CheckConstraint(condition=models.Q(('total__gt', 0)), name='slip_positive', violation_error_message="Un bordereau est d'un montant positif."),
        ),
        migrations.AddConstraint(
            model_name='depositline',
            constraint=models.UniqueConstraint(condition=models.Q(('cancelled', False), ('payment__isnull', False)), fields=('payment',), name='payment_on_one_slip', violation_error_message='Ce règlement est déjà sur un bordereau.'),
        ),
        migrations.AddConstraint(
            model_name='paymentmeansuse',
            constraint=models.UniqueConstraint(models.F('means'), models.F('activity'), django.db.models.functions.comparison.Coalesce('formula', models.Value(0), output_field=models.BigIntegerField()), name='one_use_a_means_and_formula', violation_error_message='Cette activité est déjà dans la liste.'),
        ),
        migrations.RunPython(write, migrations.RunPython.noop),
    ]
