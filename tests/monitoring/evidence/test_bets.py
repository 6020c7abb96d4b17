import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import ndtri
from scipy.stats import norm

from models.errors import StatisticsError
from monitoring.evidence.bets import numeric_bank, rate_bets


def test_the_bank_holds_24_bets_whose_weights_sum_to_one():
    bets = numeric_bank().bets
    assert len(bets) == 24
    assert sum(bet.weight for bet in bets) == pytest.approx(1, abs=1e-12)
    families = {
        family: [b.weight for b in bets if b.family == family]
        for family in ("location", "scale", "tail")
    }
    assert {k: (len(v), round(sum(v), 9)) for k, v in families.items()} == {
        "location": (10, 0.5),
        "scale": (4, 0.15),
        "tail": (10, 0.35),
    }
    assert {bet.direction for bet in bets} == {
        "higher",
        "lower",
        "more spread",
        "less spread",
        "upper tail",
        "lower tail",
    }


def test_every_bet_is_a_density_over_normal_scores():
    bank = numeric_bank()
    masses = np.diff(bank.ranks, prepend=0.0, append=1.0)
    assert masses @ np.exp(bank.log_bet) == pytest.approx(np.ones(24), abs=1e-12)


def test_a_location_bet_is_the_likelihood_ratio_averaged_over_a_bin():
    bank = numeric_bank()
    place = next(
        i for i, bet in enumerate(bank.bets) if (bet.direction, bet.size) == ("lower", 0.6)
    )
    bin_ = int(np.searchsorted(bank.ranks, norm.cdf(-0.95)))
    low, high = ndtri(bank.ranks[bin_ - 1]), ndtri(bank.ranks[bin_])
    top, _ = quad(lambda z: np.exp(-0.6 * z - 0.18) * norm.pdf(z), low, high)
    assert np.exp(bank.log_bet[bin_, place]) == pytest.approx(
        top / (norm.cdf(high) - norm.cdf(low)), rel=1e-9
    )


def test_a_tail_bet_puts_its_factor_on_exactly_its_mass():
    bank = numeric_bank()
    place = next(
        i for i, bet in enumerate(bank.bets) if (bet.direction, bet.size) == ("lower tail", 6.0)
    )
    masses = np.diff(bank.ranks, prepend=0.0, append=1.0)
    inside = np.exp(bank.log_bet[:, place]) > 1
    assert masses[inside].sum() == pytest.approx(0.02, abs=1e-12)
    assert np.exp(bank.log_bet[inside, place]) == pytest.approx(6.0)


@pytest.mark.parametrize("tau", [0.05, 0.1, 0.3])
def test_the_zone_is_each_bets_mean_after_a_shift_of_tau(tau):
    bank = numeric_bank(tau)
    scores = np.random.default_rng(5).normal(size=400_000)
    masses = np.diff(bank.ranks, prepend=0.0, append=1.0)
    for row, shift in enumerate((-tau, 0.0, tau)):
        for k in (0, 5, 12, 16, 23):
            bins = np.searchsorted(bank.ranks, norm.cdf(scores + shift), side="right")
            drawn = np.exp(bank.log_bet[bins, k])
            error = drawn.std() / np.sqrt(drawn.size)
            assert masses @ bank.zone[row, :, k] == pytest.approx(drawn.mean(), abs=5 * error)


@pytest.mark.parametrize("tau", [-0.1, 1.5, float("nan")])
def test_a_tau_that_can_be_no_smallest_shift_is_refused(tau):
    with pytest.raises(StatisticsError, match="tau is"):
        numeric_bank(tau)


def test_rate_bets_say_more_and_less_and_share_their_weight():
    bets = rate_bets("more missing", "less missing", share=0.5)
    assert [bet.direction for bet in bets] == ["less missing"] * 4 + ["more missing"] * 5
    assert sum(bet.weight for bet in bets) == pytest.approx(0.5)
