"""Why requests are refused, in the groups that are watched."""

# reasons that no group lists are the last one's
REFUSALS = {
    "unit": (
        "unknown_unit",
        "unit_not_convertible",
        "no_unit",
        "unit_system",
        "contradictory_unit",
        "absent_unit",
    ),
    "value": (
        "implausible",
        "unseen_category",
        "contradictory_category",
        "category_system",
        "text_value",
        "not_finite",
        "not_a_value",
        "absent_comparator",
    ),
    "time": ("in_the_future", "undated", "partial_time", "naive_time", "not_a_date"),
    "scope": ("out_of_scope",),
    "too_little": ("too_little_data",),
    "other": (),
}
REFUSED = {
    "unit": "refused for a unit",
    "value": "refused for a value",
    "time": "refused for a time",
    "scope": "refused as outside the inclusion limits",
    "too_little": "refused for too little data",
    "other": "refused for another reason",
}


def refusal_group(reason: str) -> str:
    """Return the group in which refusals for a reason are watched."""
    return next((group for group, reasons in REFUSALS.items() if reason in reasons), "other")
