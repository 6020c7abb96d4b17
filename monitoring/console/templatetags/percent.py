"""Risks as people read them."""

from django import template

register = template.Library()


@register.filter
def percent(risk: float) -> str:
    """Word a risk as a percentage that never reads as certain when it isn't."""
    if risk < 0.001:
        return "below 0.1 %"
    if risk > 0.999:
        return "above 99.9 %"
    return f"{100 * risk:.1f} %"
