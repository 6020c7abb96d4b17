from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("records", "0006_later_streams"),
    ]

    operations = [
        migrations.AddField(
            model_name="alarm",
            name="muted_unless",
            field=models.CharField(blank=True, default="", max_length=64),
            preserve_default=False,
        ),
    ]
