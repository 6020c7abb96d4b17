"""The plots of a run, each as a picture and as the numbers in it."""

import io
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.evaluation.evaluation import Evaluation
from training.population import FloatArray, Population
from training.stability import Stability

_MODEL, _BASELINE, _REFERENCE = "#1f5fa8", "#b3541e", "#777777"
_BINS = 40
_SIZE_INCHES = (5.2, 4.2)
_DOTS_PER_INCH = 110
_TITLE_LETTERS = 60
_LINE_INCHES = 0.14
_CAPTIONS = {
    "calibration": "Calibration, smoothed",
    "decision_curve": "Decision curve",
    "risk_distribution": "Risks of people with and without the event",
    "importance": "How much each feature moves the log-odds, on average",
    "instability": "Instability: each person's risk by the model's repetitions",
}

Plot = tuple[dict[str, Any], Callable[[Axes], None]]


@dataclass(frozen=True, slots=True)
class Drawing:
    """One plot: what it shows, its numbers and its picture."""

    caption: str
    numbers: dict[str, Any]
    png: bytes


def drawings(
    evaluation: Evaluation,
    baseline: Evaluation,
    test: Population,
    risk: FloatArray,
    importance: Mapping[str, float],
    *,
    other: str = "logistic baseline",
    stability: Stability | None = None,
    dependence: Mapping[str, tuple[FloatArray, FloatArray]] | None = None,
) -> dict[str, Drawing]:
    """Return the calibration curve (if it's defined), decision curve, risks and importance.

    `other` names what the model is drawn beside; `dependence` gives, by title, a feature's known
    values and what they contributed.
    """
    plots = {
        "calibration": _calibration_curve(evaluation, baseline, other),
        "decision_curve": _decision_curve(evaluation, baseline, other),
        "risk_distribution": _risk_distribution(test, risk),
        "importance": _importance(importance),
        "instability": None if stability is None else _instability(stability),
    }
    for place, (title, (values, sizes)) in enumerate((dependence or {}).items(), start=1):
        plots[f"dependence_{place}"] = _dependence(title, values, sizes)
    return {name: _drawing(name, plot) for name, plot in plots.items() if plot is not None}


def importance_drawing(importance: Mapping[str, float]) -> Drawing:
    """Return the mean size of each feature's contribution, by its title, as a plot."""
    return _drawing("importance", _importance(importance))


def _drawing(name: str, plot: Plot) -> Drawing:
    numbers, draw = plot
    caption = _CAPTIONS.get(name) or f"What values of {numbers['feature']} contributed"
    return Drawing(caption, numbers, _picture(draw, _size(name, numbers)))


def _size(name: str, numbers: Mapping[str, Any]) -> tuple[float, float]:
    """Return a plot's inches; that of importance has room for every feature's title."""
    width, height = _SIZE_INCHES
    if name != "importance":
        return width, height
    longest = max(len(textwrap.wrap(title, _TITLE_LETTERS)) for title in numbers)
    return 1.6 * width, max(height, 0.9 + _LINE_INCHES * longest * len(numbers))


def _picture(draw: Callable[[Axes], None], size: tuple[float, float]) -> bytes:
    figure = Figure(figsize=size, dpi=_DOTS_PER_INCH, layout="constrained")
    draw(figure.subplots())
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _calibration_curve(evaluation: Evaluation, baseline: Evaluation, named: str) -> Plot | None:
    curve, other = evaluation.calibration_curve, baseline.calibration_curve
    if curve is None:
        return None

    def draw(axes: Axes) -> None:
        limit = max(*curve.risk, *curve.observed)
        axes.plot([0, limit], [0, limit], color=_REFERENCE, linestyle=":", label="ideal")
        axes.fill_between(curve.risk, curve.low, curve.high, color=_MODEL, alpha=0.2, linewidth=0)
        axes.plot(curve.risk, curve.observed, color=_MODEL, label="trees (95 % interval)")
        if other is not None:
            axes.plot(other.risk, other.observed, color=_BASELINE, label=named)
        axes.set(xlabel="Predicted risk", ylabel="Observed frequency, smoothed")
        axes.legend(frameon=False)

    return _values(model=curve, baseline=other), draw


def _decision_curve(evaluation: Evaluation, baseline: Evaluation, named: str) -> Plot:
    curve, other = evaluation.decision_curve, baseline.decision_curve
    shown = [at for at in curve.thresholds if at <= _largest_threshold(evaluation)]
    count = len(shown)

    def draw(axes: Axes) -> None:
        axes.axhline(0, color=_REFERENCE, linestyle=":", label="treat none")
        axes.plot(shown, curve.treat_all[:count], color=_REFERENCE, label="treat all")
        low, high = curve.low[:count], curve.high[:count]
        axes.fill_between(shown, low, high, color=_MODEL, alpha=0.2, linewidth=0)
        axes.plot(shown, curve.net_benefit[:count], color=_MODEL, label="trees (95 % interval)")
        axes.plot(shown, other.net_benefit[:count], color=_BASELINE, label=named)
        for at in evaluation.at_thresholds:
            axes.axvline(at.threshold, color=_REFERENCE, linewidth=0.6)
        top = max(curve.high[:count])
        axes.set_ylim(-0.25 * top, 1.1 * top)
        axes.set(xlabel="Threshold risk", ylabel="Net benefit")
        axes.legend(frameon=False)

    return _values(model=curve, baseline=other), draw


def _largest_threshold(evaluation: Evaluation) -> float:
    """Show thresholds somewhat beyond those at which anyone acts."""
    return min(0.99, max(0.2, 2 * max(at.threshold for at in evaluation.at_thresholds)))


def _risk_distribution(test: Population, risk: FloatArray) -> Plot:
    weights = test.weights()
    edges = np.linspace(0, 1, _BINS + 1)
    groups = {
        "with the event": test.outcome == 1,
        "without the event": test.outcome == 0,
    }
    shares = {}
    for name, members in groups.items():
        counts, _ = np.histogram(risk[members], bins=edges, weights=weights[members])
        shares[name] = counts / counts.sum()

    def draw(axes: Axes) -> None:
        for (name, share), color in zip(shares.items(), (_BASELINE, _MODEL), strict=True):
            axes.stairs(share, edges, color=color, fill=True, alpha=0.35, label=name)
        axes.set(xlabel="Predicted risk", ylabel="Share of people in the group")
        axes.legend(frameon=False)

    return {"edges": edges.tolist(), **{n: s.tolist() for n, s in shares.items()}}, draw


def _importance(importance: Mapping[str, float]) -> Plot:
    ranked = sorted(importance.items(), key=lambda item: item[1])

    def draw(axes: Axes) -> None:
        titles = [textwrap.fill(title, _TITLE_LETTERS) for title, _ in ranked]
        axes.barh(titles, [size for _, size in ranked], color=_MODEL)
        axes.tick_params(axis="y", labelsize=8)
        axes.margins(y=0.01)
        axes.set(xlabel="Mean |SHAP value| (log-odds)")

    return dict(reversed(ranked)), draw


def _dependence(title: str, values: FloatArray, sizes: FloatArray) -> Plot:
    """What a feature's values contributed to the log-odds, one point a person."""

    def draw(axes: Axes) -> None:
        axes.axhline(0, color=_REFERENCE, linestyle=":")
        axes.plot(values, sizes, ".", color=_MODEL, markersize=3, alpha=0.4)
        axes.set(xlabel=title, ylabel="SHAP value (log-odds)")

    order = np.argsort(values)
    return {
        "feature": title,
        "value": values[order].tolist(),
        "contribution": sizes[order].tolist(),
    }, draw


def _instability(stability: Stability) -> Plot:
    """Each person's risk beside the range of the repetitions' (Riley and Collins 2023, fig. 2)."""
    order = np.argsort(stability.original)
    risk = stability.original[order]
    low, high = np.quantile(stability.repeated[:, order], (0.025, 0.975), axis=0)

    def draw(axes: Axes) -> None:
        axes.plot(risk, low, ".", color=_MODEL, markersize=2, alpha=0.5)
        axes.plot(risk, high, ".", color=_MODEL, markersize=2, alpha=0.5, label="95 % of repeats")
        axes.plot([0, risk[-1]], [0, risk[-1]], color=_REFERENCE, linestyle=":", label="the same")
        axes.set(xlabel="Risk by the model", ylabel="Risk by its repetitions")
        axes.legend(frameon=False)

    return {"risk": risk.tolist(), "low": low.tolist(), "high": high.tolist()}, draw


def _values(**curves: Any) -> dict[str, Any]:
    return {
        name: {field: list(getattr(curve, field)) for field in curve.__slots__}
        for name, curve in curves.items()
        if curve is not None
    }
