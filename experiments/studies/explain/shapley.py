"""The share of an outcome that each player owns: Shapley values and interactions.

A game gives every coalition (a set of players at work) a value. The Shapley value of a player is
what it adds to a coalition, averaged over the orders in which players may come (L. Shapley, 1953);
values sum to what all add together. The interaction of two is what they add together beyond what
each adds alone, averaged in the same way (M. Grabisch and M. Roubens, 1999); positive when they
only hurt together, negative when either alone does the harm.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

Coalition = frozenset[str]
Game = Callable[[Coalition], float]
Pair = tuple[str, str]
MOST_EXACT = 8
"""Players up to which all coalitions are worth running: 256."""


def coalitions(players: Sequence[str]) -> list[Coalition]:
    """All subsets, the empty one first, by size and then in the order of the players."""
    return [
        frozenset(chosen)
        for size in range(len(players) + 1)
        for chosen in itertools.combinations(players, size)
    ]


def shapley_values(players: Sequence[str], game: Game) -> dict[str, float]:
    """Exact values from all coalitions."""
    count = len(players)
    return {
        player: math.fsum(
            (game(before | {player}) - game(before)) / (count * math.comb(count - 1, len(before)))
            for before in coalitions([other for other in players if other != player])
        )
        for player in players
    }


def interactions(players: Sequence[str], game: Game) -> dict[Pair, float]:
    """Exact interaction index of every pair, from all coalitions."""
    count = len(players)
    found = {}
    for one, other in itertools.combinations(players, 2):
        rest = [player for player in players if player not in {one, other}]
        found[one, other] = math.fsum(
            _together(game, before, one, other) / ((count - 1) * math.comb(count - 2, len(before)))
            for before in coalitions(rest)
        )
    return found


def _together(game: Game, before: Coalition, one: str, other: str) -> float:
    """What two add together beyond what each adds alone."""
    return (
        game(before | {one, other}) - game(before | {one}) - game(before | {other}) + game(before)
    )


@dataclass(frozen=True)
class Order:
    """An order in which players come, and the same with neighbours exchanged.

    Neighbours are exchanged in pairs (first and second, third and fourth, ...), so that the second
    order shares half of its coalitions with the first, and each pair of neighbours shows its
    interaction.
    """

    players: tuple[str, ...]

    @property
    def exchanged(self) -> tuple[str, ...]:
        """The order with neighbours exchanged; an odd last one stays."""
        found: list[str] = []
        for first in range(0, len(self.players), 2):
            found += reversed(self.players[first : first + 2])
        return tuple(found)

    @property
    def coalitions(self) -> list[Coalition]:
        """What has to be run for both orders, each once."""
        return list(dict.fromkeys([*_prefixes(self.players), *_prefixes(self.exchanged)]))

    def additions(self, game: Game) -> dict[str, float]:
        """What each player adds, the mean of both orders."""
        return {
            player: (
                _addition(self.players, player, game) + _addition(self.exchanged, player, game)
            )
            / 2
            for player in self.players
        }

    def pairs(self, game: Game) -> dict[Pair, float]:
        """The interactions of neighbours; each pair in the order of its names."""
        found = {}
        for first in range(0, len(self.players) - 1, 2):
            one, other = self.players[first : first + 2]
            before = frozenset(self.players[:first])
            found[min(one, other), max(one, other)] = _together(game, before, one, other)
        return found


def _prefixes(players: Sequence[str]) -> Iterable[Coalition]:
    return (frozenset(players[:size]) for size in range(len(players) + 1))


def _addition(players: Sequence[str], player: str, game: Game) -> float:
    place = players.index(player)
    return game(frozenset(players[: place + 1])) - game(frozenset(players[:place]))


def draw_orders(players: Sequence[str], count: int, seed: int) -> list[Order]:
    """Random orders, every second one the reverse of the one before (less variance)."""
    rng = np.random.default_rng([seed, len(players)])
    orders: list[Order] = []
    while len(orders) < count:
        drawn = tuple(players[int(index)] for index in rng.permutation(len(players)))
        orders += [Order(drawn), Order(drawn[::-1])]
    return orders[:count]
