"""Variants are patches on a config: the shipped ones are the fixes, users write their own."""

import pytest

from experiments.config.reading import check
from experiments.config.sources import read_merged, read_source
from experiments.config.variants import Variants
from experiments.errors import ConfigError
from model.policy import FIXES, Policy
from sim.customers.settings import Customer

FIXES_OF_THE_CLIENT = {
    "F2c": {"backs_off": True},
    "F9": {"picks_random_seat": True},
    "F16": {"stops_when_done": True},
}
SINGLY = [*FIXES, *FIXES_OF_THE_CLIENT]


@pytest.fixture(scope="module")
def incident():
    return read_merged(read_source("incident-as-planned"))


def applied(incident, name):
    (variant,) = Variants().select([name])
    return variant.applied(incident, "incident").world


def user_file(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return str(path)


def test_every_fix_has_a_variant_by_itself_and_one_that_leaves_it_out():
    names = [one.name for one in Variants().select(["all-fixes-singly"])]
    left_out = [one.name for one in Variants().select(["each-left-out"])]
    assert sorted(names) == sorted(SINGLY)
    assert left_out == [f"all-but-{name}" for name in names]


@pytest.mark.parametrize("fix", FIXES)
def test_a_fix_of_the_service_is_what_the_policy_calls_by_its_name(incident, fix):
    assert applied(incident, fix).policy == Policy.incident().with_fix(fix)
    assert applied(incident, fix).customer == Customer.incident()


@pytest.mark.parametrize("fix", FIXES_OF_THE_CLIENT)
def test_a_fix_of_the_client_is_one_switch_of_the_customer(incident, fix):
    world = applied(incident, fix)
    (switch,) = FIXES_OF_THE_CLIENT[fix]
    assert world.policy == Policy.incident()
    assert getattr(world.customer, switch)
    assert not getattr(Customer.incident(), switch)


def test_all_fixes_are_each_of_them_at_once(incident):
    policy = Policy.incident()
    for fix in FIXES:
        policy = policy.with_fix(fix)
    world = applied(incident, "all-fixes")
    assert world.policy == policy
    assert world.customer.backs_off
    assert world.customer.picks_random_seat
    assert world.customer.stops_when_done
    assert applied(incident, "server-fixes").policy == policy
    assert applied(incident, "server-fixes").customer == Customer.incident()


@pytest.mark.parametrize("fix", SINGLY)
def test_leaving_a_fix_out_of_all_leaves_the_incidents_values_of_its_keys(fix):
    (single,) = Variants().select([fix])
    (without,) = Variants().select([f"all-but-{fix}"])
    (everything,) = Variants().select(["all-fixes"])
    assert everything.keys() == {**without.keys(), **single.keys()}
    assert not set(single.keys()) & set(without.keys())


def test_the_stopgaps_are_uniform_expiry_and_shorter_lives(incident):
    policy = applied(incident, "stopgaps").policy
    assert policy == Policy.incident().with_fix("F1").with_fix("F2")


def test_users_write_their_own_on_top_of_the_shipped_ones(incident, tmp_path):
    path = user_file(
        tmp_path,
        '[variants.bigger]\ninclude = ["F3"]\npool.connections = 40\n'
        '[variants.wide]\ninclude = ["bigger"]\npool.connections = 80\n',
    )
    bigger, wide = Variants().select([path])
    assert bigger.applied(incident, "incident").world.pool.connections == 40
    world = wide.applied(incident, "incident").world
    assert world.pool.connections == 80
    assert world.policy.sweep_by_score


def test_names_are_taken_once_and_in_the_order_asked_for():
    assert [one.name for one in Variants().select(["F9", "F3", "F9"])] == ["F9", "F3"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[variants.x]\npool.conections = 3", "pool.conections = 3: unknown key"),
        ("[variants.x]\npool.connections = 0", "pool.connections = 0: allowed: greater than 0"),
        ("[variants.x]\nbool.connections = 1", "bool = {connections = 1}: unknown key"),
        ("[variants.x]\nseed = 3", "seed = 3: not part of the world"),
        ('[variants.x]\ninclude = ["F99"]', "no variant F99"),
        ('[variants.x]\ninclude = "F3"', 'include = "F3": allowed: a list of names'),
        ('[variants.x]\ninclude = ["F3"]\nexclude = ["F4"]', "F4 is not included"),
        ('[variants.x]\ninclude = ["x"]', "refer to one another: x -> x"),
        ('[sets]\ns = ["s"]\n[variants.x]\ninclude = ["s"]', "refers to itself"),
        ("[variants.x\n", "not valid TOML"),
        ("[variant.x]\npool.connections = 3", "variant: unknown key; allowed here: variants"),
        ("variants = 3", "variants = 3: allowed: a table"),
        ("[variants]\nx = 3", "variants.x = 3: allowed: a table"),
        ("[variants.x]\ndescription = 3", "description = 3: allowed: text"),
        ("[variants.x]\ncost = -1", "cost = -1: allowed: a number, 0 or more"),
        ("[variants.x]\ncost = true", "cost = true: allowed: a number, 0 or more"),
    ],
)
def test_a_variant_that_is_not_right_is_one_clear_line(incident, tmp_path, text, says):
    path = user_file(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        _ = [variant.applied(incident, "incident") for variant in Variants().select([path])]
    assert says in str(caught.value)
    assert str(caught.value).startswith(path)
    assert "\n" not in str(caught.value)


def test_an_unknown_variant_is_answered_with_the_nearest_known_one():
    with pytest.raises(ConfigError, match="did you mean all-fixes-singly"):
        Variants().select(["all-fixes-single"])


def test_a_variant_leaves_the_base_as_it_was(incident):
    before = check(incident, "incident").resolved
    applied(incident, "all-fixes")
    assert check(incident, "incident").resolved == before


def test_a_set_costs_what_its_members_cost_each_once(tmp_path):
    path = user_file(
        tmp_path,
        "[variants.a]\ncost = 1.5\npool.connections = 40\n"
        "[variants.b]\ncost = 2\nservice.threads = 40\n"
        '[variants.both]\ninclude = ["a", "b"]\n'
        '[variants.more]\ninclude = ["both", "a"]\ncost = 0.5\npool.connections = 80\n'
        "[variants.unknown]\nhost.cores = 2.0\n"
        '[variants.partly]\ninclude = ["a", "unknown"]\n',
    )
    costs = {one.name: one.cost for one in Variants().select([path])}
    assert costs == {
        "a": 1.5,
        "b": 2.0,
        "both": 3.5,
        "more": 4.0,
        "unknown": None,
        "partly": None,
    }


def test_sets_of_up_to_so_many_members_leave_out_what_overlaps(incident):
    found = Variants().select_with_sets(["F3"], ["F1", "F3", "F9", "stopgaps"], 3)
    assert [one.name for one in found] == [
        "F3",
        "F1",
        "F9",
        "stopgaps",
        "F1+F3",
        "F1+F9",
        "F3+F9",
        "F3+stopgaps",
        "F9+stopgaps",
        "F1+F3+F9",
        "F3+F9+stopgaps",
    ]
    (both,) = [one for one in found if one.name == "F1+F9"]
    world = both.applied(incident, "incident").world
    assert world.policy == Policy.incident().with_fix("F1")
    assert world.customer.picks_random_seat


def test_the_groups_are_all_fixes_but_the_shorter_lives():
    groups = Variants().select(["fix-groups"])
    (everything,) = Variants().select(["all-fixes"])
    (shorter,) = Variants().select(["F2"])
    keys = [key for group in groups for key in group.keys()]  # noqa: SIM118
    assert sorted([*keys, *shorter.keys()]) == sorted(everything.keys())
    assert everything.cost == sum(group.cost for group in groups) + shorter.cost
