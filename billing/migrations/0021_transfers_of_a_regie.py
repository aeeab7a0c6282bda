"""A file of transfers is paid from one régie's account; those of before are the town's own."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('billing', '0020_cash_desk_of_regies'),
    ]

    operations = [
        migrations.AddField(
            model_name='transferfile',
            name='regie',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='billing.regie', verbose_name='régie'),
        ),
    ]
