"""Which defect owns which share: coalitions of defects, run with common random numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from typing_extensions import TypedDict

from experiments.config.explain_settings import Explain
from experiments.config.reading import Config, check
from experiments.config.sources import Merged
from experiments.config.variants import Variants
from experiments.errors import ConfigError
from experiments.runs.runner import Runner
from experiments.runs.wanted import wanted_run
from experiments.runs.workers.replications import seed_of
from experiments.statistics.intervals import Interval, ci95, mean
from experiments.statistics.quantities import FAILED, Quantity
from experiments.studies.explain.shapley import (
    MOST_EXACT,
    Coalition,
    Game,
    Pair,
    coalitions,
    draw_orders,
    interactions,
    shapley_values,
)
from experiments.studies.explain.worlds import without_endpoints
from sim.result import RunResult

SOLD: Final = Quantity("sold", "seats sold (paid)", "tables.payment", 1, "rows")
OUTCOMES: Final = (FAILED, SOLD)


class Share(TypedDict):
    """What one player adds to an outcome; of a share of requests in points from 0 to 1."""

    player: str
    value: float
    ci95: Interval


class Interaction(TypedDict):
    """What two players add together beyond what each adds alone."""

    players: list[str]
    value: float
    ci95: Interval


class Outcome(TypedDict):
    """One outcome, shared out; counts at full size. `shares` sum to `every` minus `none`."""

    quantity: str
    none: float
    every: float
    shares: list[Share]
    interactions: list[Interaction]


class Attribution(TypedDict):
    """Shares of all outcomes. `exact`: from all coalitions, otherwise from random orders."""

    players: dict[str, list[str]]
    exact: bool
    scale: float
    replications: int
    runs: int
    outcomes: list[Outcome]


class DefectGame:
    """The worlds of a game: the config with the defects of a coalition, all others mended."""

    def __init__(self, merged: Merged, source: str, players: Mapping[str, Sequence[str]]) -> None:
        self.players = list(players)
        self.merged = merged
        self._source = source
        self.mends = players
        self._known: dict[Coalition, Config] = {}
        self._variants = Variants()
        owners: dict[str, str] = {}
        for name, fixes in players.items():
            place = f"explain.groups.{name}"
            if not fixes:
                raise ConfigError(source, place, "allowed: at least one variant")
            for fix in self._variants.select(fixes, f"{source}: {place}"):
                if fix.name in owners:
                    message = f"{fix.name} is in {owners[fix.name]} too; allowed: each variant once"
                    raise ConfigError(source, place, message)
                owners[fix.name] = place

    def config(self, coalition: Coalition) -> Config:
        """The world in which exactly these defects are at work."""
        if coalition not in self._known:
            others = [name for name in self.players if name not in coalition]
            mended = [fix for name in others for fix in self.mends[name]]
            self._known[coalition] = self._mended(mended)
        return self._known[coalition]

    def _mended(self, fixes: Sequence[str]) -> Config:
        selected = self._variants.select(fixes)
        patches = tuple(patch for one in selected for patch in one.patches)
        if not selected:
            return check(self.merged, self._source)
        return replace(selected[0], patches=patches).applied(self.merged, self._source)


def groups_of(settings: Explain, source: str) -> dict[str, list[str]]:
    """The players of a config. Raises ConfigError when there are too many for all coalitions."""
    if len(settings.groups) > MOST_EXACT:
        raise ConfigError(
            source, "explain.groups", f"{len(settings.groups)} groups; allowed: up to {MOST_EXACT}"
        )
    return {name: list(fixes) for name, fixes in settings.groups.items()}


def singles(players: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Every fix as a player of its own."""
    return {fix: [fix] for fixes in players.values() for fix in fixes}


def _game(
    runs: Mapping[tuple[Coalition, int], RunResult],
    replication: int,
    quantity: Quantity,
    scale: float,
) -> Game:
    def value(coalition: Coalition) -> float:
        found = quantity.of(runs[coalition, replication]) or 0.0
        return found / scale if quantity.grows_with_scale else found

    return value


def _run(
    field: DefectGame,
    runs: Runner,
    wanted: Sequence[tuple[Coalition, int]],
    seed: int,
    scale: float,
) -> dict[tuple[Coalition, int], RunResult]:
    pairs = list(dict.fromkeys(wanted))
    results = runs.results(
        [
            wanted_run(field.config(who), seed_of(seed, number), scale, keeps=without_endpoints)
            for who, number in pairs
        ]
    )
    return {pair: run for pair, run in zip(pairs, results, strict=True) if run is not None}


def exact(
    field: DefectGame, runs: Runner, replications: int, seed: int, scale: float
) -> Attribution | None:
    """Shares from all coalitions; None when not even one replication of all could be run."""
    everyone = coalitions(field.players)
    made = _run(
        field,
        runs,
        [(who, number) for number in range(replications) for who in everyone],
        seed,
        scale,
    )
    complete = [
        number for number in range(replications) if all((who, number) in made for who in everyone)
    ]
    if not complete:
        return None
    return {
        "players": {name: list(fixes) for name, fixes in field.mends.items()},
        "exact": True,
        "scale": scale,
        "replications": len(complete),
        "runs": len(everyone) * len(complete),
        "outcomes": [
            _outcome(
                quantity,
                [_game(made, number, quantity, scale) for number in complete],
                field.players,
            )
            for quantity in OUTCOMES
        ],
    }


def _outcome(quantity: Quantity, games: Sequence[Game], players: Sequence[str]) -> Outcome:
    values = [shapley_values(players, game) for game in games]
    pairs = [interactions(players, game) for game in games]
    return _summed_up(
        quantity,
        games,
        players,
        {name: [one[name] for one in values] for name in players},
        {pair: [one[pair] for one in pairs] for pair in (pairs[0] if pairs else {})},
    )


def _summed_up(
    quantity: Quantity,
    games: Sequence[Game],
    players: Sequence[str],
    values: Mapping[str, Sequence[float]],
    pairs: Mapping[Pair, Sequence[float]],
) -> Outcome:
    return {
        "quantity": quantity.name,
        "none": mean([game(frozenset()) for game in games]),
        "every": mean([game(frozenset(players)) for game in games]),
        "shares": [
            {"player": name, "value": mean(values[name]), "ci95": ci95(values[name])}
            for name in sorted(players, key=lambda name: -abs(mean(values[name])))
        ],
        "interactions": [
            {"players": list(pair), "value": mean(pairs[pair]), "ci95": ci95(pairs[pair])}
            for pair in sorted(pairs, key=lambda pair: -abs(mean(pairs[pair])))
        ],
    }


def sampled(
    field: DefectGame, runs: Runner, orders: int, seed: int, scale: float
) -> Attribution | None:
    """Shares from random orders, two (one the reverse of the other) for each seed."""
    drawn = draw_orders(field.players, orders, seed)
    wanted = [(who, number // 2) for number, order in enumerate(drawn) for who in order.coalitions]
    made = _run(field, runs, wanted, seed, scale)
    done = [
        number
        for number in range(0, len(drawn) - 1, 2)
        if all(
            (who, number // 2) in made
            for order in drawn[number : number + 2]
            for who in order.coalitions
        )
    ]
    if not done:
        return None
    outcomes = []
    for quantity in OUTCOMES:
        games = [_game(made, number // 2, quantity, scale) for number in done]
        values: dict[str, list[float]] = {name: [] for name in field.players}
        pairs: dict[Pair, list[float]] = {}
        for number, game in zip(done, games, strict=True):
            twins = drawn[number : number + 2]
            added = [order.additions(game) for order in twins]
            for name in field.players:
                values[name].append(mean([one[name] for one in added]))
            for order in twins:
                for pair, found in order.pairs(game).items():
                    pairs.setdefault(pair, []).append(found)
        outcomes.append(_summed_up(quantity, games, field.players, values, pairs))
    return {
        "players": {name: list(fixes) for name, fixes in field.mends.items()},
        "exact": False,
        "scale": scale,
        "replications": len(done),
        "runs": len(made),
        "outcomes": outcomes,
    }
