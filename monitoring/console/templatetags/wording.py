"""The wording of figures, for templates."""

from django import template

from monitoring.alarms import where_words
from monitoring.console import wording
from monitoring.mutes import condition_words

register = template.Library()
register.filter("risk", wording.risk_words)
register.filter("count", wording.count_words)
register.filter("signed", wording.signed_words)
register.filter("day", wording.day_words)
register.filter("unbroken", wording.unbroken)
register.filter("where", where_words)
register.filter("condition", condition_words)
