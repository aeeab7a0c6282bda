"""Seals of documents, codes of the budget, the journal's accounts, and where accounts were opened."""

import django.core.validators
import django.db.models.deletion
import simple_history.models
from django.conf import settings
from django.db import migrations, models

from portal.database.operations import Lifted


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0017_payments_put_right'),
        ('families', '0019_joined_households'),
        ('reservations', '0016_papers_of_activities'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # SQLite makes the table anew.
        Lifted('billing.final', [
            migrations.AddField(
                model_name='invoiceline',
                name='account_code',
                field=models.CharField(blank=True, db_default='', default='', max_length=20, verbose_name='compte'),
            ),
            migrations.AddField(
                model_name='invoiceline',
                name='analytic_code',
                field=models.CharField(blank=True, db_default='', default='', max_length=20, verbose_name='code analytique'),
            ),
        ]),
        migrations.CreateModel(
            name='HistoricalBudgetCode',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('analytic', models.CharField(blank=True, max_length=20, verbose_name='code analytique')),
                ('account', models.CharField(blank=True, help_text='Vide : celui des recettes du journal.', max_length=20, validators=[django.core.validators.RegexValidator('^[0-9]{1,20}$', "Un compte s'écrit en chiffres, sans espace : 7067.")], verbose_name='compte (M57)')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('activity', models.ForeignKey(blank=True, db_constraint=False, help_text="Pour toutes ses formules qui n'ont pas leur propre code.", null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='reservations.activity', verbose_name='activité')),
                ('formula', models.ForeignKey(blank=True, db_constraint=False, help_text="Ou pour une seule formule : son code l'emporte sur celui de son activité.", null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='reservations.formula', verbose_name='formule')),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical code budgétaire',
                'verbose_name_plural': 'historical codes budgétaires',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalJournalAccounts',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('debtors', models.CharField(default='4111', help_text='Ce que les familles doivent.', max_length=20, validators=[django.core.validators.RegexValidator('^[0-9]{1,20}$', "Un compte s'écrit en chiffres, sans espace : 7067.")], verbose_name='redevables')),
                ('revenue', models.CharField(default='7067', help_text="De ce qui n'a pas de compte dans les codes budgétaires.", max_length=20, validators=[django.core.validators.RegexValidator('^[0-9]{1,20}$', "Un compte s'écrit en chiffres, sans espace : 7067.")], verbose_name='recettes')),
                ('earlier_years', models.CharField(blank=True, default='673', help_text="Vide : repris sur le compte de la recette, comme dans l'année.", max_length=20, validators=[django.core.validators.RegexValidator('^[0-9]{1,20}$', "Un compte s'écrit en chiffres, sans espace : 7067.")], verbose_name="avoirs sur une facture d'une année passée")),
                ('written_off', models.CharField(default='6541', max_length=20, validators=[django.core.validators.RegexValidator('^[0-9]{1,20}$', "Un compte s'écrit en chiffres, sans espace : 7067.")], verbose_name='abandons de créances')),
                ('waiting', models.CharField(default='4718', help_text="Ce qui n'est d'aucun autre compte.", max_length=20, validators=[django.core.validators.RegexValidator('^[0-9]{1,20}$', "Un compte s'écrit en chiffres, sans espace : 7067.")], verbose_name='à classer')),
                ('cash', models.CharField(default='5411', max_length=20, validators=[django.core.validators.RegexValidator('^[0-9]{1,20}$', "Un compte s'écrit en chiffres, sans espace : 7067.")], verbose_name='espèces')),
                ('cheques', models.CharField(default='5112', max_length=20, validators=[django.core.validators.RegexValidator('^[0-9]{1,20}$', "Un compte s'écrit en chiffres, sans espace : 7067.")], verbose_name='chèques')),
                ('cards', models.CharField(default='5115', max_length=20, validators=[django.core.validators.RegexValidator('^[0-9]{1,20}$', "Un compte s'écrit en chiffres, sans espace : 7067.")], verbose_name='cartes au guichet')),
                ('vouchers', models.CharField(default='5118', max_length=20, validators=[django.core.validators.RegexValidator('^[0-9]{1,20}$', "Un compte s'écrit en chiffres, sans espace : 7067.")], verbose_name='titres (CESU, chèques-vacances…)')),
                ('bank', models.CharField(default='515', max_length=20, validators=[django.core.validators.RegexValidator('^[0-9]{1,20}$', "Un compte s'écrit en chiffres, sans espace : 7067.")], verbose_name='compte de la régie (virements, prélèvements, en ligne)')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical comptes du journal général',
                'verbose_name_plural': 'historical comptes du journal général',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='JournalAccounts',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('debtors', models.CharField(default='4111', help_text='Ce que les familles doivent.', max_length=20, validators=[django.core.validators.RegexValidator('^[0-9]{1,20}$', "Un compte s'écrit en chiffres, sans espace : 7067.")], verbose_name='redevables')),
                ('revenue', models.CharField(default='7067', help_text="De ce qui n'a pas de compte dans les codes budgétaires.", max_length=20, validators=[django.core.validators.RegexValidator('^[0-9]{1,20}$', "Un compte s'écrit en chiffres, sans espace : 7067.")], verbose_name='recettes')),
                ('earlier_years', models.CharField(blank=True, default='673', help_text="Vide : repris sur le compte de la recette, comme dans l'année.", max_length=20, validators=[django.core.validators.RegexValidator('^[0-9]{1,20}$', "Un compte s'écrit en chiffres, sans espace : 7067.")], verbose_name="avoirs sur une facture d'une année passée")),
                ('written_off', models.CharField(default='6541', max_length=20, validators=[django.core.validators.RegexValidator('^[0-9]{1,20}$', "Un compte s'écrit en chiffres, sans espace : 7067.")], verbose_name='abandons de créances')),
                ('waiting', models.CharField(default='4718', help_text="Ce qui n'est d'aucun autre compte.", max_length=20, validators=[django.core.validators.RegexValidator('^[0-9]{1,20}$', "Un compte s'écrit en chiffres, sans espace : 7067.")], verbose_name='à classer')),
                ('cash', models.CharField(default='5411', max_length=20, validators=[django.core.validators.RegexValidator('^[0-9]{1,20}$', "Un compte s'écrit en chiffres, sans espace : 7067.")], verbose_name='espèces')),
                ('cheques', models.CharField(default='5112', max_length=20, validators=[django.core.validators.RegexValidator('^[0-9]{1,20}$', "Un compte s'écrit en chiffres, sans espace : 7067.")], verbose_name='chèques')),
                ('cards', models.CharField(default='5115', max_length=20, validators=[django.core.validators.RegexValidator('^[0-9]{1,20}$', "Un compte s'écrit en chiffres, sans espace : 7067.")], verbose_name='cartes au guichet')),
                ('vouchers', models.CharField(default='5118', max_length=20, validators=[django.core.validators.RegexValidator('^[0-9]{1,20}$', "Un compte s'écrit en chiffres, sans espace : 7067.")], verbose_name='titres (CESU, chèques-vacances…)')),
                ('bank', models.CharField(default='515', max_length=20, validators=[django.core.validators.RegexValidator('^[0-9]{1,20}$', "Un compte s'écrit en chiffres, sans espace : 7067.")], verbose_name='compte de la régie (virements, prélèvements, en ligne)')),
            ],
            options={
                'verbose_name': 'comptes du journal général',
                'verbose_name_plural': 'comptes du journal général',
                'constraints': [models.CheckConstraint(condition=models.Q(('pk', 1)), name='only_one_journal_accounts', violation_error_message="Ces comptes n'existent qu'une fois.")],
            },
        ),
        migrations.CreateModel(
            name='OpeningBalance',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('amount', models.DecimalField(decimal_places=2, help_text='Positif : la famille le devait.', max_digits=10, verbose_name='solde repris')),
                ('opened_on', models.DateField(verbose_name='repris le')),
                ('household', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='families.household', verbose_name='foyer')),
            ],
            options={
                'verbose_name': 'solde repris',
                'verbose_name_plural': 'soldes repris',
                'ordering': ['-amount', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='Seal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('series', models.CharField(max_length=8, verbose_name='série')),
                ('year', models.PositiveSmallIntegerField(verbose_name='année')),
                ('sequence', models.PositiveIntegerField(verbose_name='rang dans la série')),
                ('number', models.CharField(max_length=24, unique=True, verbose_name='numéro')),
                ('version', models.PositiveSmallIntegerField(verbose_name='forme')),
                ('hash', models.CharField(max_length=64, verbose_name='empreinte')),
                ('previous', models.CharField(max_length=64, verbose_name='empreinte précédente')),
            ],
            options={
                'verbose_name': 'empreinte',
                'ordering': ['series', 'year', 'sequence'],
                'constraints': [models.UniqueConstraint(fields=('series', 'year', 'sequence'), name='one_seal_a_number_in_series', violation_error_message='Cette pièce a déjà son empreinte.')],
            },
        ),
        migrations.CreateModel(
            name='BudgetCode',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('analytic', models.CharField(blank=True, max_length=20, verbose_name='code analytique')),
                ('account', models.CharField(blank=True, help_text='Vide : celui des recettes du journal.', max_length=20, validators=[django.core.validators.RegexValidator('^[0-9]{1,20}$', "Un compte s'écrit en chiffres, sans espace : 7067.")], verbose_name='compte (M57)')),
                ('activity', models.OneToOneField(blank=True, help_text="Pour toutes ses formules qui n'ont pas leur propre code.", null=True, on_delete=django.db.models.deletion.CASCADE, related_name='budget_code', to='reservations.activity', verbose_name='activité')),
                ('formula', models.OneToOneField(blank=True, help_text="Ou pour une seule formule : son code l'emporte sur celui de son activité.", null=True, on_delete=django.db.models.deletion.CASCADE, related_name='budget_code', to='reservations.formula', verbose_name='formule')),
            ],
            options={
                'verbose_name': 'code budgétaire',
                'verbose_name_plural': 'codes budgétaires',
                'ordering': ['activity', 'formula'],
                'constraints': [models.CheckConstraint(condition=models.Q(models.Q(('activity__isnull', False), ('formula__isnull', True)), models.Q(('activity__isnull', True), ('formula__isnull', False)), _connector='OR'), name='budget_code_of_one_thing', violation_error_message="Choisissez une activité ou une formule, l'une des deux."), models.CheckConstraint(condition=models.Q(('account', ''), ('analytic', ''), _negated=True), name='budget_code_says_something', violation_error_message='Indiquez un code analytique, un compte, ou les deux.')],
            },
        ),
    ]
