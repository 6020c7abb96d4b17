"""Whether the parts of a definition fit together: names, units of formulas, limits, bands."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from models.formulas import FORMULAS
from models.gate import gate_faults

if TYPE_CHECKING:
    from models.definition import Definition
    from models.feature import Feature


def check_coherence(definition: "Definition") -> None:
    """Raise ValueError that names the first part which contradicts another."""
    names = [feature.name for feature in definition.features]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"features: {sorted(twice)} stand twice")
    bands = [band.name for band in definition.bands]
    if len(set(bands)) < len(bands):
        raise ValueError(f"bands: {sorted({b for b in bands if bands.count(b) > 1})} stand twice")
    by_name = {feature.name: feature for feature in definition.features}
    for place, name in _named_features(definition):
        if name not in by_name:
            raise ValueError(f"{place}: there is no feature {name!r}")
    for feature in definition.features:
        _check_formula(feature, by_name)
    _check_limits(definition, by_name)
    _check_groups(definition, by_name)
    starts = [band.starts_at for band in definition.bands]
    if starts[0] != 0 or starts != sorted(set(starts)):
        raise ValueError(f"bands: starts_at must rise from 0, not {starts}")
    _check_cds_hooks(definition)
    faults = list(gate_faults(definition))
    if faults:
        raise ValueError("; ".join(faults))


def _check_cds_hooks(definition: "Definition") -> None:
    cds_hooks = definition.cds_hooks
    names = [band.name for band in definition.bands]
    if cds_hooks is not None and cds_hooks.card_from not in names:
        raise ValueError(
            f"cds_hooks: card_from {cds_hooks.card_from!r} is none of the bands {', '.join(names)}"
        )


def _named_features(definition: "Definition") -> Iterator[tuple[str, str]]:
    for rule in definition.inclusion:
        yield f"inclusion {rule.rule!r}", rule.feature
    for group in definition.smallest_set:
        for name in group.of:
            yield "smallest_set", name
    for subgroup in definition.subgroups:
        if subgroup.feature is not None:
            yield f"subgroup {subgroup.name}", subgroup.feature
    for feature in definition.features:
        for name in feature.derived.inputs if feature.derived else ():
            yield f"feature {feature.name}", name


def _check_formula(feature: "Feature", by_name: "dict[str, Feature]") -> None:
    if feature.derived is None:
        return
    formula = FORMULAS[feature.derived.formula]
    for name, given in zip(feature.derived.inputs, formula.inputs, strict=True):
        if by_name[name].derived is not None:
            raise ValueError(f"feature {feature.name}: {name} is itself derived")
        if by_name[name].unit != given.unit:
            raise ValueError(
                f"feature {feature.name}: {feature.derived.formula} takes {given.name} in "
                f"{given.unit}, but {name} is in {by_name[name].unit}"
            )


def _check_limits(definition: "Definition", by_name: "dict[str, Feature]") -> None:
    for rule in definition.inclusion:
        feature = by_name[rule.feature]
        if (feature.kind == "categorical") != bool(rule.one_of):
            raise ValueError(
                f"inclusion {rule.rule!r}: a category is limited by one_of, a number by at_least "
                "or at_most"
            )
        unknown = [level for level in rule.one_of if level not in feature.categories]
        if unknown:
            raise ValueError(f"inclusion {rule.rule!r}: {feature.name} has no {unknown}")


def _check_groups(definition: "Definition", by_name: "dict[str, Feature]") -> None:
    for group in definition.smallest_set:
        if group.count > len(set(group.of)):
            raise ValueError(f"smallest_set: {group.count} of {len(set(group.of))} can't be known")
    for subgroup in definition.subgroups:
        if subgroup.column in (*by_name, "outcome", "patient_id"):
            raise ValueError(f"subgroup {subgroup.name}: {subgroup.column} is no further column")
        if subgroup.feature is None:
            continue
        numeric = by_name[subgroup.feature].kind == "numeric"
        if numeric != bool(subgroup.cuts):
            raise ValueError(f"subgroup {subgroup.name}: a number needs cuts, a category has none")
