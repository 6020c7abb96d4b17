from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("records", "0007_mute_condition"),
    ]

    operations = [
        migrations.AddField(
            model_name="stream",
            name="leaf",
            field=models.BinaryField(default=b""),
        ),
        migrations.AddField(
            model_name="daycount",
            name="leaf",
            field=models.BinaryField(default=b""),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(fields=["action"], name="audit_action"),
        ),
    ]
