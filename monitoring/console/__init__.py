"""The Django site where reviewers watch models, read alarms and sign decisions."""
