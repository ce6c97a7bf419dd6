"""Shapley values and interactions on games whose answer is known."""

import itertools

import pytest

from experiments.studies.explain.shapley import (
    Order,
    coalitions,
    draw_orders,
    interactions,
    shapley_values,
)


def glove(coalition):
    """One left and two right gloves: a pair is worth 1. Values 2/3, 1/6, 1/6."""
    return 1.0 if "left" in coalition and coalition & {"right", "other right"} else 0.0


def additive(worth):
    return lambda coalition: float(sum(worth[player] for player in coalition))


def test_the_glove_game():
    found = shapley_values(["left", "right", "other right"], glove)
    assert found == pytest.approx({"left": 2 / 3, "right": 1 / 6, "other right": 1 / 6})


def test_values_sum_to_what_all_add_and_who_adds_nothing_owns_nothing():
    def game(coalition):
        return 5.0 + len(coalition & {"a", "b", "c"}) ** 2

    players = ["a", "b", "c", "idle"]
    found = shapley_values(players, game)
    assert sum(found.values()) == pytest.approx(game(frozenset(players)) - game(frozenset()))
    assert found["idle"] == pytest.approx(0.0)
    assert found["a"] == pytest.approx(found["c"])


def test_two_that_only_hurt_together_interact_and_two_of_which_one_suffices_do_so_negatively():
    players = ["a", "b", "c"]
    both = interactions(players, lambda who: float({"a", "b"} <= who))
    assert both == pytest.approx({("a", "b"): 1.0, ("a", "c"): 0.0, ("b", "c"): 0.0})
    either = interactions(players, lambda who: float(bool({"a", "b"} & who)))
    assert either["a", "b"] == pytest.approx(-1.0)
    alone = interactions(players, additive({"a": 1, "b": 2, "c": 3}))
    assert all(value == pytest.approx(0.0) for value in alone.values())


def test_all_orders_together_give_the_exact_values_and_interactions():
    players = ["left", "right", "other right", "idle"]
    orders = [Order(order) for order in itertools.permutations(players)]
    exact = shapley_values(players, glove)
    for player in players:
        mean = sum(order.additions(glove)[player] for order in orders) / len(orders)
        assert mean == pytest.approx(exact[player])
    pairs = {}
    for order in orders:
        for pair, value in order.pairs(glove).items():
            pairs.setdefault(pair, []).append(value)
    wanted = {tuple(sorted(pair)): value for pair, value in interactions(players, glove).items()}
    # Neighbours stand at the first or third place only, so that sizes 0 and 2 are seen, not 1:
    # of this game the interaction is the mean over those sizes.
    assert set(pairs) == set(wanted)
    assert sum(pairs["left", "right"]) > 0
    assert all(value == 0.0 for value in pairs["idle", "left"])


def test_an_order_and_its_twin_share_half_of_their_coalitions():
    order = Order(("a", "b", "c", "d"))
    assert order.exchanged == ("b", "a", "d", "c")
    assert len(order.coalitions) == 7  # 5 + 2 instead of 5 + 5
    assert Order(("a", "b", "c")).exchanged == ("b", "a", "c")


def test_orders_come_with_their_reverse_and_are_the_same_again():
    orders = draw_orders(["a", "b", "c"], 5, seed=1)
    assert [order.players for order in orders[:2]] == [
        orders[0].players,
        orders[0].players[::-1],
    ]
    assert len(orders) == 5
    assert orders == draw_orders(["a", "b", "c"], 5, seed=1)
    assert draw_orders(["a", "b", "c", "d"], 8, seed=1) != draw_orders(["a", "b", "c", "d"], 8, 2)


def test_coalitions_of_three():
    assert len(coalitions(["a", "b", "c"])) == 8
    assert coalitions(["a", "b"])[0] == frozenset()
