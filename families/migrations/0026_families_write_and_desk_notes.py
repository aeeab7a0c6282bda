"""What families write to the town hall, with its answers; notes of agents on a household."""

import django.db.models.deletion
import portal.database.encrypted
import simple_history.models
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
        ('families', '0025_messages'),
    ]

    operations = [
        migrations.CreateModel(
            name='ThreadKind',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=60, unique=True, verbose_name='objet')),
                ('order', models.PositiveSmallIntegerField(default=10, verbose_name='ordre')),
                ('active', models.BooleanField(default=True, verbose_name='proposé aux familles')),
            ],
            options={
                'verbose_name': 'objet de message',
                'verbose_name_plural': 'objets de messages',
                'ordering': ['order', 'pk'],
            },
        ),
        migrations.AlterField(
            model_name='reading',
            name='kind',
            field=models.CharField(choices=[('health', 'Fiche sanitaire'), ('proof', 'Justificatif'), ('certificate', 'Certificat médical'), ('health_paper', 'Papier de santé'), ('justice_paper', 'Papier de justice'), ('export', 'Export de personnes'), ('family_data', "Données d'une famille"), ('kept_document', 'Document conservé après effacement'), ('as_family', 'Vu comme la famille'), ('message', "Pièce jointe d'un message")], max_length=16, verbose_name='quoi'),
        ),
        migrations.CreateModel(
            name='HistoricalHouseholdNote',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('text', portal.database.encrypted.EncryptedTextField(verbose_name='texte')),
                ('alert_until', models.DateField(blank=True, null=True, verbose_name="en alerte jusqu'au")),
                ('by_name', models.CharField(max_length=160, verbose_name='nom')),
                ('at', models.DateTimeField(verbose_name='écrite le')),
                ('changed_at', models.DateTimeField(blank=True, null=True, verbose_name='modifiée le')),
                ('withdrawn_at', models.DateTimeField(blank=True, null=True, verbose_name='retirée le')),
                ('withdrawn_by_name', models.CharField(blank=True, max_length=160, verbose_name='retirée par')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_change_reason', models.CharField(max_length=100, null=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('by', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='écrite par')),
                ('child', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='families.child', verbose_name='enfant')),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('household', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='families.household', verbose_name='foyer')),
            ],
            options={
                'verbose_name': 'historical note sur un foyer',
                'verbose_name_plural': 'historical notes sur les foyers',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='HouseholdNote',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('text', portal.database.encrypted.EncryptedTextField(verbose_name='texte')),
                ('alert_until', models.DateField(blank=True, null=True, verbose_name="en alerte jusqu'au")),
                ('by_name', models.CharField(max_length=160, verbose_name='nom')),
                ('at', models.DateTimeField(verbose_name='écrite le')),
                ('changed_at', models.DateTimeField(blank=True, null=True, verbose_name='modifiée le')),
                ('withdrawn_at', models.DateTimeField(blank=True, null=True, verbose_name='retirée le')),
                ('withdrawn_by_name', models.CharField(blank=True, max_length=160, verbose_name='retirée par')),
                ('by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='écrite par')),
                ('child', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='desk_notes', to='families.child', verbose_name='enfant')),
                ('household', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='desk_notes', to='families.household', verbose_name='foyer')),
            ],
            options={
                'verbose_name': 'note sur un foyer',
                'verbose_name_plural': 'notes sur les foyers',
                'ordering': ['-at', '-pk'],
            },
        ),
        migrations.CreateModel(
            name='SeenNote',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField(verbose_name='vue le')),
                ('note', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='seen', to='families.householdnote')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='agent')),
            ],
            options={
                'verbose_name': 'alerte vue',
                'verbose_name_plural': 'alertes vues',
            },
        ),
        migrations.CreateModel(
            name='Thread',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('subject', models.CharField(max_length=120, verbose_name='sujet')),
                ('state', models.CharField(choices=[('waiting', 'En attente de réponse'), ('answered', 'Répondu'), ('closed', 'Clos')], default='waiting', max_length=8, verbose_name='état')),
                ('opened_at', models.DateTimeField(verbose_name='écrit le')),
                ('last_at', models.DateTimeField(verbose_name='dernier message le')),
                ('waiting_since', models.DateTimeField(blank=True, null=True, verbose_name='attend depuis')),
                ('first_answered_at', models.DateTimeField(blank=True, null=True, verbose_name='première réponse le')),
                ('closed_at', models.DateTimeField(blank=True, null=True, verbose_name='clos le')),
                ('agent', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='suivi par')),
                ('child', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='threads', to='families.child', verbose_name='enfant')),
                ('household', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='threads', to='families.household', verbose_name='foyer')),
                ('role', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='auth.group', verbose_name='pour le rôle')),
                ('kind', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to='families.threadkind', verbose_name='objet')),
            ],
            options={
                'verbose_name': 'message de famille',
                'verbose_name_plural': 'messages des familles',
                'ordering': ['-last_at', '-pk'],
            },
        ),
        migrations.CreateModel(
            name='ThreadMessage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('side', models.CharField(choices=[('family', 'Famille'), ('town', 'Mairie'), ('note', 'Note interne')], max_length=6, verbose_name='de')),
                ('text', portal.database.encrypted.EncryptedTextField(verbose_name='texte')),
                ('by_name', models.CharField(max_length=160, verbose_name='nom')),
                ('at', models.DateTimeField(verbose_name='écrit le')),
                ('by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='écrit par')),
                ('thread', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='messages', to='families.thread', verbose_name='échange')),
            ],
            options={
                'verbose_name': "message d'un échange",
                'verbose_name_plural': "messages d'échanges",
                'ordering': ['at', 'pk'],
            },
        ),
        migrations.CreateModel(
            name='ThreadFile',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('document', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='thread_file', to='families.document', verbose_name='fichier')),
                ('message', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='files', to='families.threadmessage', verbose_name='message')),
            ],
            options={
                'verbose_name': 'pièce jointe',
                'verbose_name_plural': 'pièces jointes',
                'ordering': ['pk'],
            },
        ),
        migrations.AddIndex(
            model_name='householdnote',
            index=models.Index(fields=['household', '-at'], name='note_of_household'),
        ),
        migrations.AddConstraint(
            model_name='seennote',
            constraint=models.UniqueConstraint(fields=('note', 'user'), name='note_seen_once_by_an_agent', violation_error_message='Vous avez déjà vu cette alerte.'),
        ),
        migrations.AddIndex(
            model_name='thread',
            index=models.Index(fields=['household', '-last_at'], name='thread_of_household'),
        ),
        migrations.AddIndex(
            model_name='thread',
            index=models.Index(fields=['last_at'], name='thread_by_moment'),
        ),
        migrations.AddIndex(
            model_name='thread',
            index=models.Index(condition=models.Q(('waiting_since__isnull', False)), fields=['waiting_since'], name='thread_that_waits'),
        ),
        migrations.AddConstraint(
            model_name='thread',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'waiting'), ('waiting_since__isnull', False)), models.Q(models.Q(('state', 'waiting'), _negated=True), ('waiting_since', None)), _connector='OR'), name='thread_waits_since_a_moment', violation_error_message="Un message qui attend une réponse l'attend depuis un moment connu."),
        ),
        migrations.AddConstraint(
            model_name='thread',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('closed_at__isnull', False), ('state', 'closed')), models.Q(models.Q(('state', 'closed'), _negated=True), ('closed_at', None)), _connector='OR'), name='thread_closed_at_a_moment', violation_error_message="Un échange clos l'est depuis un moment connu."),
        ),
        migrations.AddConstraint(
            model_name='thread',
            constraint=models.CheckConstraint(condition=models.Q(('agent', None), ('role', None), _connector='OR'), name='thread_has_one_keeper', violation_error_message='Un message est suivi par un agent ou par un rôle, pas par les deux.'),
        ),
    ]
