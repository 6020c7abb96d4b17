from django.db import migrations, models

from records.columns import AddColumn


class Migration(migrations.Migration):
    dependencies = [
        ("records", "0008_noted_evidence"),
    ]

    operations = [
        AddColumn(
            model_name="prediction",
            name="codes",
            field=models.JSONField(db_default={}, default=dict),
        ),
        AddColumn(
            model_name="prediction",
            name="ward",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
    ]
