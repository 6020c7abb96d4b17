"""The role that approves a version for clinical use."""

from django.db import migrations

ROLE = "safety officer"


def add_role(apps, schema_editor):
    groups = apps.get_model("auth", "Group").objects.using(schema_editor.connection.alias)
    groups.get_or_create(name=ROLE)


def drop_role(apps, schema_editor):
    groups = apps.get_model("auth", "Group").objects.using(schema_editor.connection.alias)
    groups.filter(name=ROLE).delete()


class Migration(migrations.Migration):
    dependencies = [("console", "0001_roles")]
    operations = [migrations.RunPython(add_role, drop_role)]
