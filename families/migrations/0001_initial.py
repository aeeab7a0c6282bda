import django.contrib.auth.models
import django.contrib.auth.validators
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
import families.models
import simple_history.models
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.CreateModel(
            name='Child',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('first_name', models.CharField(max_length=80, verbose_name='prénom')),
                ('last_name', models.CharField(max_length=80, verbose_name='nom')),
                ('birth_date', models.DateField(verbose_name='date de naissance')),
                ('photo_allowed', models.BooleanField(default=False, verbose_name='peut être photographié(e)')),
                ('leaves_alone', models.BooleanField(default=False, verbose_name='peut repartir seul(e)')),
                ('emergency_care_allowed', models.BooleanField(default=False, verbose_name="soins d'urgence autorisés")),
            ],
            options={
                'verbose_name': 'enfant',
                'ordering': ['last_name', 'first_name', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='User',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                ('username', models.CharField(error_messages={'unique': 'A user with that username already exists.'}, help_text='Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.', max_length=150, unique=True, validators=[django.contrib.auth.validators.UnicodeUsernameValidator()], verbose_name='username')),
                ('first_name', models.CharField(blank=True, max_length=150, verbose_name='first name')),
                ('last_name', models.CharField(blank=True, max_length=150, verbose_name='last name')),
                ('is_staff', models.BooleanField(default=False, help_text='Designates whether the user can log into this admin site.', verbose_name='staff status')),
                ('is_active', models.BooleanField(default=True, help_text='Designates whether this user should be treated as active. Unselect this instead of deleting accounts.', verbose_name='active')),
                ('date_joined', models.DateTimeField(default=django.utils.timezone.now, verbose_name='date joined')),
                ('email', models.EmailField(blank=True, max_length=254, verbose_name='adresse e-mail')),
                ('session_generation', models.PositiveIntegerField(default=0, editable=False, help_text="Compte les « Se déconnecter partout » : les sessions d'une génération passée sont closes.", verbose_name='déconnexions partout')),
                ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
            ],
            options={
                'verbose_name': 'compte de connexion',
                'verbose_name_plural': 'comptes de connexion',
                'constraints': [models.UniqueConstraint(django.db.models.functions.text.Lower('email'), condition=models.Q(('email', ''), _negated=True), name='one_account_an_email', violation_error_message='Un compte utilise déjà cette adresse e-mail.')],
            },
            managers=[
                ('objects', django.contrib.auth.models.UserManager()),
            ],
        ),
        migrations.CreateModel(
            name='AuthorisedPerson',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120, verbose_name='prénom et nom')),
                ('relationship', models.CharField(blank=True, max_length=60, verbose_name="lien avec l'enfant")),
                ('phone', models.CharField(max_length=30, verbose_name='téléphone')),
                ('child', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='authorised_people', to='families.child', verbose_name='enfant')),
            ],
            options={
                'verbose_name': 'personne autorisée',
                'verbose_name_plural': "personnes autorisées à venir chercher l'enfant",
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='ChildHealth',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('has_pai', models.BooleanField(default=False, verbose_name="projet d'accueil individualisé (PAI)")),
                ('allergies', models.TextField(blank=True, verbose_name='allergies')),
                ('treatment', models.TextField(blank=True, verbose_name='traitement, conduite à tenir')),
                ('doctor', models.CharField(blank=True, max_length=120, verbose_name='médecin traitant')),
                ('doctor_phone', models.CharField(blank=True, max_length=30, verbose_name='téléphone du médecin')),
                ('updated_at', models.DateTimeField(auto_now=True, verbose_name='mis à jour le')),
                ('child', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='health', to='families.child', verbose_name='enfant')),
            ],
            options={
                'verbose_name': 'fiche sanitaire',
                'verbose_name_plural': 'fiches sanitaires',
            },
        ),
        migrations.CreateModel(
            name='Document',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('file', models.FileField(storage=families.models.private_storage, upload_to='justificatifs/%Y/%m', verbose_name='fichier')),
                ('name', models.CharField(max_length=200, verbose_name='nom du fichier')),
                ('content_type', models.CharField(max_length=60, verbose_name='type')),
                ('uploaded_at', models.DateTimeField(auto_now_add=True, verbose_name='envoyé le')),
                ('right', models.CharField(default='families.view_document', editable=False, max_length=100, verbose_name="droit qui l'ouvre à la mairie")),
                ('uploaded_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='envoyé par')),
            ],
            options={
                'verbose_name': 'justificatif',
                'ordering': ['-uploaded_at'],
            },
        ),
        migrations.CreateModel(
            name='HistoricalChild',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('first_name', models.CharField(max_length=80, verbose_name='prénom')),
                ('last_name', models.CharField(max_length=80, verbose_name='nom')),
                ('birth_date', models.DateField(verbose_name='date de naissance')),
                ('photo_allowed', models.BooleanField(default=False, verbose_name='peut être photographié(e)')),
                ('leaves_alone', models.BooleanField(default=False, verbose_name='peut repartir seul(e)')),
                ('emergency_care_allowed', models.BooleanField(default=False, verbose_name="soins d'urgence autorisés")),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical enfant',
                'verbose_name_plural': 'historical enfants',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalHousehold',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('decided_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='traité le')),
                ('refusal_reason', models.CharField(blank=True, max_length=300, verbose_name='motif du refus')),
                ('street', models.CharField(max_length=200, verbose_name='adresse')),
                ('street_more', models.CharField(blank=True, max_length=200, verbose_name="complément d'adresse")),
                ('postcode', models.CharField(max_length=10, verbose_name='code postal')),
                ('city', models.CharField(max_length=100, verbose_name='commune')),
                ('resident', models.BooleanField(default=True, verbose_name='habite la commune')),
                ('state', models.CharField(choices=[('requested', 'En attente de validation'), ('accepted', 'Validé'), ('refused', 'Refusé')], db_index=True, default='requested', max_length=12, verbose_name='état')),
                ('created_at', models.DateTimeField(blank=True, editable=False, verbose_name='créé le')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('decided_by', models.ForeignKey(blank=True, db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='traité par')),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name': 'historical foyer',
                'verbose_name_plural': 'historical foyers',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='Household',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('decided_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='traité le')),
                ('refusal_reason', models.CharField(blank=True, max_length=300, verbose_name='motif du refus')),
                ('street', models.CharField(max_length=200, verbose_name='adresse')),
                ('street_more', models.CharField(blank=True, max_length=200, verbose_name="complément d'adresse")),
                ('postcode', models.CharField(max_length=10, verbose_name='code postal')),
                ('city', models.CharField(max_length=100, verbose_name='commune')),
                ('resident', models.BooleanField(default=True, verbose_name='habite la commune')),
                ('state', models.CharField(choices=[('requested', 'En attente de validation'), ('accepted', 'Validé'), ('refused', 'Refusé')], db_index=True, default='requested', max_length=12, verbose_name='état')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='créé le')),
                ('notes', models.TextField(blank=True, help_text='Jamais montrées à la famille.', verbose_name='notes du service')),
                ('decided_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='traité par')),
            ],
            options={
                'verbose_name': 'foyer',
                'ordering': ['pk'],
            },
        ),
        migrations.CreateModel(
            name='HistoricalFamilyQuotient',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('value', models.DecimalField(decimal_places=2, max_digits=9, validators=[django.core.validators.MinValueValidator(0, "Un quotient familial n'est jamais négatif.")], verbose_name='quotient familial')),
                ('valid_from', models.DateField(verbose_name='valable du')),
                ('valid_to', models.DateField(blank=True, null=True, verbose_name='au')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('household', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='families.household', verbose_name='foyer')),
            ],
            options={
                'verbose_name': 'historical quotient familial',
                'verbose_name_plural': 'historical quotients familiaux',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HistoricalChangeRequest',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('decided_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='traité le')),
                ('refusal_reason', models.CharField(blank=True, max_length=300, verbose_name='motif du refus')),
                ('kind', models.CharField(choices=[('address', "Changement d'adresse"), ('quotient', 'Quotient familial')], max_length=12, verbose_name='demande')),
                ('state', models.CharField(choices=[('requested', 'En attente de traitement'), ('accepted', 'Acceptée'), ('refused', 'Refusée')], db_index=True, default='requested', max_length=12, verbose_name='état')),
                ('street', models.CharField(blank=True, max_length=200, verbose_name='adresse')),
                ('street_more', models.CharField(blank=True, max_length=200, verbose_name="complément d'adresse")),
                ('postcode', models.CharField(blank=True, max_length=10, verbose_name='code postal')),
                ('city', models.CharField(blank=True, max_length=100, verbose_name='commune')),
                ('quotient', models.DecimalField(blank=True, decimal_places=2, max_digits=9, null=True, validators=[django.core.validators.MinValueValidator(0, "Un quotient familial n'est jamais négatif.")], verbose_name='quotient familial')),
                ('valid_from', models.DateField(blank=True, null=True, verbose_name='valable à partir du')),
                ('requested_at', models.DateTimeField(blank=True, editable=False, verbose_name='demandé le')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('decided_by', models.ForeignKey(blank=True, db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='traité par')),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('proof', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='families.document', verbose_name='justificatif')),
                ('requested_by', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='demandé par')),
                ('household', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='families.household', verbose_name='foyer')),
            ],
            options={
                'verbose_name': 'historical demande de modification',
                'verbose_name_plural': 'historical demandes de modification',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='Guardian',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('first_name', models.CharField(max_length=80, verbose_name='prénom')),
                ('last_name', models.CharField(max_length=80, verbose_name='nom')),
                ('phone', models.CharField(blank=True, max_length=30, verbose_name='téléphone')),
                ('phone_work', models.CharField(blank=True, max_length=30, verbose_name='téléphone professionnel')),
                ('is_payer', models.BooleanField(default=True, verbose_name='reçoit les factures')),
                ('user', models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='guardian', to=settings.AUTH_USER_MODEL, verbose_name='compte de connexion')),
                ('household', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='guardians', to='families.household', verbose_name='foyer')),
            ],
            options={
                'verbose_name': 'responsable',
                'ordering': ['pk'],
            },
        ),
        migrations.CreateModel(
            name='FamilyQuotient',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('value', models.DecimalField(decimal_places=2, max_digits=9, validators=[django.core.validators.MinValueValidator(0, "Un quotient familial n'est jamais négatif.")], verbose_name='quotient familial')),
                ('valid_from', models.DateField(verbose_name='valable du')),
                ('valid_to', models.DateField(blank=True, null=True, verbose_name='au')),
                ('household', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='quotients', to='families.household', verbose_name='foyer')),
            ],
            options={
                'verbose_name': 'quotient familial',
                'verbose_name_plural': 'quotients familiaux',
                'ordering': ['-valid_from'],
                'constraints': [models.UniqueConstraint(fields=('household', 'valid_from'), name='one_quotient_a_start', violation_error_message='Un quotient commence déjà ce jour-là pour ce foyer.'), models.CheckConstraint(condition=models.Q(('value__gte', 0)), name='quotient_not_negative', violation_error_message="Un quotient familial n'est jamais négatif."), models.CheckConstraint(condition=models.Q(('valid_to', None), ('valid_to__gte', models.F('valid_from')), _connector='OR'), name='quotient_ends_after_start', violation_error_message='Le quotient doit finir après son début.')],
            },
        ),
        migrations.AddField(
            model_name='document',
            name='household',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='documents', to='families.household', verbose_name='foyer'),
        ),
        migrations.CreateModel(
            name='Custody',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('child', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='custodies', to='families.child', verbose_name='enfant')),
                ('household', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='custodies', to='families.household', verbose_name='foyer')),
            ],
            options={
                'verbose_name': 'garde',
                'constraints': [models.UniqueConstraint(fields=('child', 'household'), name='one_custody_a_child_and_household', violation_error_message='Cet enfant vit déjà dans ce foyer.')],
            },
        ),
        migrations.AddField(
            model_name='child',
            name='households',
            field=models.ManyToManyField(related_name='children', through='families.Custody', to='families.household', verbose_name='foyers'),
        ),
        migrations.CreateModel(
            name='ChangeRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('decided_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='traité le')),
                ('refusal_reason', models.CharField(blank=True, max_length=300, verbose_name='motif du refus')),
                ('kind', models.CharField(choices=[('address', "Changement d'adresse"), ('quotient', 'Quotient familial')], max_length=12, verbose_name='demande')),
                ('state', models.CharField(choices=[('requested', 'En attente de traitement'), ('accepted', 'Acceptée'), ('refused', 'Refusée')], db_index=True, default='requested', max_length=12, verbose_name='état')),
                ('street', models.CharField(blank=True, max_length=200, verbose_name='adresse')),
                ('street_more', models.CharField(blank=True, max_length=200, verbose_name="complément d'adresse")),
                ('postcode', models.CharField(blank=True, max_length=10, verbose_name='code postal')),
                ('city', models.CharField(blank=True, max_length=100, verbose_name='commune')),
                ('quotient', models.DecimalField(blank=True, decimal_places=2, max_digits=9, null=True, validators=[django.core.validators.MinValueValidator(0, "Un quotient familial n'est jamais négatif.")], verbose_name='quotient familial')),
                ('valid_from', models.DateField(blank=True, null=True, verbose_name='valable à partir du')),
                ('requested_at', models.DateTimeField(auto_now_add=True, verbose_name='demandé le')),
                ('decided_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='traité par')),
                ('requested_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='demandé par')),
                ('proof', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, to='families.document', verbose_name='justificatif')),
                ('household', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='change_requests', to='families.household', verbose_name='foyer')),
            ],
            options={
                'verbose_name': 'demande de modification',
                'verbose_name_plural': 'demandes de modification',
                'ordering': ['-requested_at'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('state', 'requested')), fields=('household', 'kind'), name='one_open_change_request_a_kind', violation_error_message='Une demande de ce type attend déjà une réponse de la mairie.'), models.CheckConstraint(condition=models.Q(models.Q(('kind', 'quotient'), _negated=True), models.Q(('quotient__gte', 0), ('valid_from__isnull', False)), _connector='OR'), name='quotient_request_is_complete', violation_error_message='Indiquez le quotient familial et sa date.'), models.CheckConstraint(condition=models.Q(models.Q(('kind', 'address'), _negated=True), models.Q(models.Q(('street', ''), _negated=True), models.Q(('postcode', ''), _negated=True), models.Q(('city', ''), _negated=True)), _connector='OR'), name='address_request_is_complete', violation_error_message="Indiquez l'adresse, le code postal et la commune.")],
            },
        ),
        migrations.AddIndex(
            model_name='child',
            index=models.Index(fields=['last_name', 'first_name'], name='child_by_name'),
        ),
    ]
