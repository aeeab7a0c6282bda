"""What credit notes have of a statement that owed its family."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0021_transfers_of_a_regie'),
    ]

    operations = [
        migrations.CreateModel(
            name='StatementCredit',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('note', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='of_statement', to='billing.creditnote', verbose_name='avoir')),
                ('statement', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='credited_by', to='billing.invoice', verbose_name='relevé reporté')),
            ],
            options={
                'verbose_name': 'report rendu par avoir',
                'verbose_name_plural': 'reports rendus par avoir',
            },
        ),
    ]
