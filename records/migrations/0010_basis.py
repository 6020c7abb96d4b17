from django.db import migrations, models

from records.columns import AddColumn


class Migration(migrations.Migration):
    dependencies = [
        ("records", "0009_places"),
    ]

    operations = [
        AddColumn(
            model_name="prediction",
            name="basis",
            field=models.TextField(blank=True, db_default="", default=""),
        ),
        AddColumn(
            model_name="prediction",
            name="unused",
            field=models.JSONField(db_default=[], default=list),
        ),
        AddColumn(
            model_name="sourcecorrection",
            name="whole",
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name="sourcecorrection",
            name="taken_at",
            field=models.DateTimeField(null=True),
        ),
        AddColumn(
            model_name="sourcecorrection",
            name="subject",
            field=models.CharField(blank=True, db_default="", default="", max_length=64),
        ),
    ]
