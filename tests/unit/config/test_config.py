"""A config that cannot be is refused with its file, key, value and what is allowed."""

import dataclasses
import json
import math
from dataclasses import replace

import pytest

from experiments.config import reading as config
from experiments.errors import ConfigError
from model.policy import Policy
from sim.customers.settings import Customer
from sim.load.settings import ConstantVUs

SMALL = """
name = "small"
[load]
stages = [{ duration_s = 5.0, target = 3 }]
"""


@pytest.fixture
def written(tmp_path):
    def write(text, name="mine.toml"):
        path = tmp_path / name
        path.write_text(text, "utf-8")
        return str(path)

    return write


def refusal(reference, *assignments):
    with pytest.raises(ConfigError) as caught:
        config.load(reference, assignments)
    assert caught.value.exit_code == 104
    return str(caught.value)


REFUSED = {
    "unknown key": ("[pool]\nconections = 3", "pool.conections = 3", "pool.connections"),
    "key in the wrong table": (
        "[host]\nconnections = 3",
        "host.connections = 3",
        "pool.connections",
    ),
    "unknown table": ("[polcy]\nx = 1", "polcy = {x = 1}", "policy"),
    "number in quotes": ('[pool]\nconnections = "10"', 'pool.connections = "10"', "integer"),
    "switch as a number": ("[policy]\nseats_paged = 1", "policy.seats_paged = 1", "boolean"),
    "switch for a number": ("[pool]\nconnections = true", "pool.connections = true", "integer"),
    "fraction of a thread": ("[service]\nthreads = 1.5", "service.threads = 1.5", "integer"),
    "negative duration": ("[pool]\ntimeout_s = -1.0", "pool.timeout_s = -1.0", "greater than 0"),
    "no cores": ("[host]\ncores = 0", "host.cores = 0", "greater than 0"),
    "no capacity": ("[catalogue]\ncapacity = 0", "catalogue.capacity = 0", "greater than 0"),
    "not a number": ("[host]\ncores = nan", "host.cores = nan", "finite"),
    "endless": ("[pool]\ntimeout_s = inf", "pool.timeout_s = inf", "finite"),
    "unknown preset": ('[policy]\npreset = "old"', 'policy.preset = "old"', '"incident"'),
    "preset where none is": ('[pool]\npreset = "incident"', "pool.preset", "no preset"),
    "no such module": (
        '[customer]\nscript = "nowhere.at_all:buyer"',
        'customer.script = "nowhere.at_all:buyer"',
        "package.module:function",
    ),
    "no such function": (
        '[customer]\nscript = "sim.customers.buyer:buier"',
        'customer.script = "sim.customers.buyer:buier"',
        "package.module:function",
    ),
    "run queue of several cores": (
        "[host]\nrun_queue = true\ncores = 2.0",
        "host.cores = 2",
        "up to 1 with host.run_queue",
    ),
    "run queue with the load generator": (
        "[host]\nrun_queue = true\ncores = 1.0\n[generator]\nshares_host = true",
        "generator.shares_host = true",
        "false with host.run_queue",
    ),
    "run queue of the load generator": (
        "[generator.host]\nrun_queue = true\ncores = 1.0",
        "generator.host.run_queue = true",
        "generator.scheduler",
    ),
    "fewer users than the load has": (
        "[catalogue]\nusers = 2",
        "catalogue.users = 2",
        "at least 3",
    ),
    "observation without a value": ('[observed.x]\nmetric = "y"', "observed.x.value", "required"),
}


@pytest.mark.parametrize(("text", "place", "allowed"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_with_file_key_value_and_what_is_allowed(written, text, place, allowed):
    path = written(f"{SMALL}\n{text}")
    message = refusal(path)
    assert message.startswith(f"{path}: {place}")
    assert allowed in message
    assert "\n" not in message


def test_stages_without_any_length_are_refused(written):
    path = written('name = "x"\n[load]\nstages = [{ duration_s = 0.0, target = 3 }]')
    message = refusal(path)
    assert message.startswith(f"{path}: load")
    assert "more than 0" in message


def test_a_wrong_entry_of_a_list_is_named_by_its_position(written):
    path = written('name = "x"\n[load]\nstages = [{ duration_s = -3.0, target = 3 }]')
    assert f"{path}: load.stages.0.duration_s = -3.0" in refusal(path)


def test_broken_toml_is_refused_with_its_line(written):
    path = written('name = "x"\n[load\n')
    assert refusal(path).startswith(f"{path}: line 2: not valid TOML")


def test_a_missing_file_and_a_misspelt_name_are_refused(tmp_path):
    assert "No such file" in refusal(str(tmp_path / "none.toml"))
    assert refusal("smoky").endswith("did you mean smoke?")


def test_a_config_needs_a_name(written):
    assert ": name: this key is required" in refusal(written("seed = 3"))


def test_set_says_what_is_wrong_with_it():
    assert refusal("smoke", "pool.connections") == (
        "--set: 'pool.connections': allowed: key=value, value as TOML"
    )
    assert refusal("smoke", "pool.connections=ten").startswith(
        "--set: pool.connections = ten: not a TOML value"
    )
    assert refusal("smoke", "pool.connection=3").startswith(
        "--set: pool.connection = 3: unknown key"
    )
    assert "--set: load.stages.9: allowed" in refusal("smoke", "load.stages.9.target=3")


def test_set_reaches_into_tables_and_lists():
    loaded = config.load("smoke", ["pool.connections=7", "load.stages.0.duration_s=9.5", "seed=4"])
    assert loaded.world.pool.connections == 7
    assert loaded.world.load.stages[0].duration_s == 9.5
    assert loaded.header.seed == 4


def test_a_preset_is_the_incident_and_single_keys_go_over_it(written):
    path = written(f'{SMALL}[policy]\npreset = "incident"\nseats_paged = true\n')
    loaded = config.load(path)
    assert loaded.world.policy != Policy.incident()
    assert loaded.world.policy.seats_paged
    assert not loaded.world.policy.admission_atomic
    path = written(f'{SMALL}[customer]\npreset = "incident"\n', "other.toml")
    assert config.load(path).world.customer == Customer.incident()


def test_extends_merges_table_by_table_and_keeps_where_each_value_came_from(written):
    base = written(f"{SMALL}[pool]\nconnections = 3\ntimeout_s = 9.0\n", "base.toml")
    child = written(
        'extends = "base.toml"\nname = "child"\n[pool]\nconnections = 4\n', "child.toml"
    )
    loaded = config.load(child)
    assert (loaded.name, loaded.world.pool.connections) == ("child", 4)
    assert loaded.world.pool.timeout_s == 9.0
    written(f"{SMALL}[pool]\nconnections = 0\n", "base.toml")
    child = written('extends = "base.toml"\n', "child.toml")
    assert refusal(child).startswith(f"{base}: pool.connections = 0")


@pytest.mark.parametrize("base", ["incident", "incident-as-planned", "incident-fixed"])
def test_observations_of_the_incident_come_only_if_asked_for(written, base):
    mine = config.load(written(f'extends = "{base}"\nname = "mine"\n'))
    assert not mine.header.observed
    asked = written(f'extends = "{base}"\nextends_observed = true\nname = "mine"\n')
    assert config.load(asked).header.observed == config.load(base).header.observed
    assert config.load("incident").header.observed
    assert not config.load("incident-fixed").header.observed
    wrong = written(f'extends = "{base}"\nextends_observed = "yes"\nname = "mine"\n')
    assert "extends_observed" in refusal(wrong)


def test_a_fragment_is_included_below_the_files_own_keys(written):
    written("[pool]\nconnections = 3\ntimeout_s = 9.0\n", "fragment.toml")
    path = written(f'include = ["fragment.toml"]\n{SMALL}[pool]\nconnections = 5\n')
    pool = config.load(path).world.pool
    assert (pool.connections, pool.timeout_s) == (5, 9.0)


def test_a_preset_in_a_child_replaces_the_inherited_table(written):
    written(f'{SMALL}[policy]\npreset = "incident"\naccess_ttl_s = 7.0\n', "base.toml")
    path = written('extends = "base.toml"\n[policy]\npreset = "correct"\n')
    assert config.load(path).world.policy == Policy()


def test_configs_that_extend_one_another_are_refused(written):
    path = written('extends = "two.toml"')
    written('extends = "mine.toml"', "two.toml")
    assert "refer to one another" in refusal(path)


def without_digests(header):
    """What is resolved names a file of draws by its digest as well."""
    unknowns = {name: dataclasses.replace(one, sha256="") for name, one in header.unknowns.items()}
    return dataclasses.replace(header, unknowns=unknowns)


@pytest.mark.parametrize("name", ["smoke", "incident", "incident-as-planned", "incident-fixed"])
def test_what_is_resolved_says_everything_and_resolves_to_itself(name, written):
    import tomli_w

    loaded = config.load(name)
    again = config.load(written(tomli_w.dumps(loaded.resolved)))
    assert again.world == loaded.world
    assert without_digests(again.header) == without_digests(loaded.header)
    assert again.resolved == loaded.resolved


def test_the_schema_documents_every_key():
    schema = config.json_schema()
    pool = schema["$defs"]["Pool"]["properties"]
    assert "[s]" in pool["timeout_s"]["description"]
    assert "incident" in json.dumps(schema["$defs"]["Policy"]["properties"]["preset"])
    undocumented = [
        f"{table}.{key}"
        for table, definition in schema["$defs"].items()
        for key, value in definition.get("properties", {}).items()
        if "description" not in value
    ]
    assert undocumented == []


def test_numbers_are_finite_all_the_way_down():
    def numbers(value):
        if isinstance(value, dict):
            for inner in value.values():
                yield from numbers(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from numbers(inner)
        elif isinstance(value, float):
            yield value

    found = list(numbers(config.load("incident-as-planned").resolved))
    assert len(found) > 20
    assert all(map(math.isfinite, found))


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        # In Redis PX 0 is an error.
        ("policy.seat_lock_ttl_s", 0.0005, "0.001"),
        ("policy.jwt_leeway_s", -1.0, "0"),
    ],
)
def test_settings_that_cannot_work_are_refused(key, value, allowed):
    with pytest.raises(ConfigError, match=f"{key}.*greater than or equal to {allowed}"):
        config.load("smoke", [f"{key}={value}"])


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(
            lambda path: path.write_text(
                'extends = "smoke"\nname = "x"\n[load]\nexecutor = "constant-vus"\n'
                "vus = 5\nduration_s = 10.0\n"
            ),
            id="in a file that extends another",
        ),
        pytest.param(
            lambda path: path.write_text(
                'extends = "smoke"\nname = "x"\nload = { executor = "constant-vus", vus = 5, '
                "duration_s = 10.0 }\n"
            ),
            id="as an inline table",
        ),
    ],
)
def test_another_executor_replaces_the_load_that_a_config_extends(tmp_path, write):
    path = tmp_path / "mine.toml"
    write(path)
    assert config.load(str(path)).world.load == ConstantVUs("constant-vus", duration_s=10.0, vus=5)


def test_set_replaces_the_load_by_another_executor_and_keeps_the_same_one():
    other = 'load={executor="constant-vus", vus=5, duration_s=10.0}'
    assert config.load("smoke", [other]).world.load.vus == 5
    usual = config.load("smoke").world.load
    same = config.load("smoke", [f'load={{executor="{usual.executor}", graceful_stop_s=1.5}}'])
    assert same.world.load == replace(usual, graceful_stop_s=1.5)


def test_loads_of_a_list_need_names_of_their_own(tmp_path):
    path = tmp_path / "mine.toml"
    one = '[[load]]\nexecutor = "constant-vus"\nduration_s = 1.0\nscenario = "a"\n'
    path.write_text(f'extends = "smoke"\n{one}{one}')
    with pytest.raises(
        ConfigError, match=r"load.1.scenario = \"a\": allowed: a name that no other"
    ):
        config.load(str(path))
    path.write_text('extends = "smoke"\nload = []\n')
    with pytest.raises(ConfigError, match="a list of at least one"):
        config.load(str(path))


def test_unset_takes_a_key_out_of_the_base_and_out_of_nothing_else(written):
    thresholds = '[thresholds]\ngoodput = ["value>1"]\n"http_req_failed{a:b.c}" = ["rate<0.1"]\n'
    written(f'extends = "smoke"\nname = "base"\n{thresholds}[pool]\nconnections = 3\n', "base.toml")
    keys = """unset = ['thresholds."http_req_failed{a:b.c}"', "pool.connections"]"""
    child = config.load(written(f'extends = "base.toml"\n{keys}\nname = "child"\n', "child.toml"))
    assert list(child.header.thresholds) == ["goodput"]
    assert child.world.pool.connections != 3
    own = '[thresholds]\ngoodput = ["value>2"]\n'
    again = config.load(
        written(f'extends = "base.toml"\nunset = ["thresholds"]\nname = "own"\n{own}', "own.toml")
    )
    assert dict(again.header.thresholds) == {"goodput": ("value>2",)}


@pytest.mark.parametrize(
    ("unset", "says"),
    [
        ('["thresholds.gudput"]', "did you mean thresholds.goodput"),
        ('["pool"]', "nothing that this file extends or includes has this key"),
        ('["a b"]', "as TOML writes them"),
        ('["x = 1\\ny"]', "as TOML writes them"),
        ('"thresholds"', "allowed: a list of keys"),
        ("[1]", "allowed: a list of keys"),
    ],
)
def test_what_cannot_be_unset_is_named(written, unset, says):
    written('name = "base"\n[thresholds]\ngoodput = ["value>1"]\n', "base.toml")
    with pytest.raises(ConfigError, match="unset") as refused:
        config.load(written(f'extends = "base.toml"\nunset = {unset}\nname = "c"\n', "c.toml"))
    assert says in str(refused.value)
