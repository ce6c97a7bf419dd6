"""No config, option or input file ends in a traceback: a result, or one clear line.

`TICKETSIM_FUZZ=50 pytest tests/properties/test_config_fuzz.py` tries 50 times as many.
"""

import contextlib
import io
import json
import os
import re
import signal
import sys
import tempfile
from pathlib import Path

import pytest
import tomli_w
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from experiments.cli.main import main
from experiments.config import reading as config
from experiments.config.cross_checks import virtual_users
from experiments.config.keys import keys_of
from experiments.config.reading import Header
from experiments.config.sources import leaves, read_merged, read_source, shipped_names
from experiments.config.toml_text import DEEPEST, MOST_CHARS, TomlError, parse
from experiments.errors import ConfigError
from sim.run import simulate
from sim.world import World

FACTOR = int(os.environ.get("TICKETSIM_FUZZ", "1"))
PATIENCE_S = 20
MOST_MS = 2_000
KEYS = [key.path for key in (*keys_of(Header), *keys_of(World))]
TABLES = {name: read_merged(read_source(name)).table for name in shipped_names()}
TEXTS = {name: read_source(name).text for name in shipped_names()}


def fuzzed(examples):
    return settings(
        max_examples=examples * FACTOR,
        derandomize=FACTOR == 1,
        suppress_health_check=list(HealthCheck),
    )


INTEGERS = st.one_of(
    st.integers(-3, 100),
    st.sampled_from([2**31, 2**53, 2**63 - 1, 2**63, -(2**63), 10**9, 10**12, 10**30, 10**400]),
    st.integers(),
)
FLOATS = st.one_of(
    st.floats(),
    st.sampled_from([0.0, -0.0, 1e308, 5e-324, 1e-9, 1e9, float("nan"), float("inf")]),
)
STRINGS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            *[
                "",
                " ",
                "\0",
                "\x1b[2J",
                "\u202e",
                "\ufeff",
                "a\nb",
                "${jndi:x}",
                "../x",
                "x" * 5000,
            ],
            *["1t", "1.5gb", "0x10", "9" * 5000, "7.2", "latest", "ramping-vus", "p(95)<", "$x_$"],
            *[":", "no:such", "..:x", "a:b:c", "1:2", "sim.run:", ":f", "sim.run:Progress.x"],
        ]
    ),
)
SCALARS = st.one_of(
    INTEGERS, FLOATS, STRINGS, st.booleans(), st.dates(), st.datetimes(), st.times()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.one_of(st.sampled_from(KEYS), STRINGS), inner, max_size=4)
    ),
    max_leaves=6,
)


def entry_of(table, path):
    for part in path:
        table = table[int(part)] if isinstance(table, list) else table[part]
    return table


@st.composite
def tables(draw):
    """A shipped config with a few of its values, or of all the keys there are, changed."""
    table = json.loads(json.dumps(TABLES[draw(st.sampled_from(sorted(TABLES)))]))
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.one_of(st.sampled_from(leaves(table)), st.sampled_from(KEYS).map(as_path)))
        with contextlib.suppress(KeyError, IndexError, TypeError, ValueError, AttributeError):
            owner = entry_of(table, path[:-1])
            key = int(path[-1]) if isinstance(owner, list) else path[-1]
            if draw(st.integers(0, 5)) == 0:
                del owner[key]
            else:
                owner[key] = draw(VALUES)
    return table


def as_path(key):
    return tuple(key.split("."))


@st.composite
def broken_texts(draw):
    """A shipped config's text with pieces cut out, doubled, moved or written over."""
    text = TEXTS[draw(st.sampled_from(sorted(TEXTS)))]
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(text)))
        end = draw(st.integers(begin, min(len(text), begin + 200)))
        piece = draw(
            st.sampled_from(["", text[begin:end] * 2, "[[", "]", "=", '"""', "\0", "\r", "{", "# "])
            | st.text(max_size=10)
        )
        text = text[:begin] + piece + text[end:]
    return text


@contextlib.contextmanager
def within(seconds):
    """Fail what does not come back: a hang is as bad as a traceback."""

    def late(_signal, _frame):
        raise AssertionError(f"not back after {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_simulated():
    """What is valid ends as if it had been interrupted at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.runs.workers.replications._Local.run", lambda *_: None)
        patch.setattr("experiments.runs.workers.replications._Pool.run", lambda *_: None)
        yield


def outcome(*arguments):
    """The exit code of a command, after a look at what it said."""
    path = list(sys.path)
    said, shown = io.StringIO(), io.StringIO()
    with within(PATIENCE_S), contextlib.redirect_stderr(said), contextlib.redirect_stdout(shown):
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        finally:
            sys.path[:] = path
    assert_clear(code, said.getvalue())
    return code


def assert_clear(code, said):
    assert "Traceback" not in said
    assert "--debug shows where" not in said, said
    assert code in {0, 1, 98, 99, 104, 130}
    if code in {1, 104, 130}:
        *_, last = said.splitlines()
        assert last.startswith("ticketsim")
        assert len(last) < 2_200
        assert last.isprintable()
    if code in {1, 104}:
        assert len(said.splitlines()) == 1


def run_of(text, *options):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.toml"
        path.write_text(text, "utf-8", errors="surrogatepass")
        return outcome("run", path, "--replications", "1", *options)


@fuzzed(150)
@given(tables())
def test_a_shipped_config_with_other_values_is_run_or_refused(table):
    try:
        text = tomli_w.dumps(table)
    except (ValueError, TypeError):
        assume(False)
    assert run_of(text) in {104, 130}


@fuzzed(80)
@given(broken_texts())
def test_a_damaged_text_is_run_or_refused(text):
    assert run_of(text) in {104, 130}


@fuzzed(60)
@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
)
def test_no_bytes_are_a_config(raw):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.toml"
        path.write_bytes(raw)
        assert outcome("run", path) == 104


@st.composite
def assignments(draw):
    key = draw(st.one_of(st.sampled_from(KEYS), STRINGS))
    plain = st.one_of(INTEGERS, FLOATS, st.booleans()).map(lambda v: str(v).lower())
    value = draw(st.one_of(plain, STRINGS, STRINGS.map(json.dumps), st.text(max_size=30)))
    return f"{key}={value}"


@fuzzed(150)
@given(st.lists(assignments() | STRINGS, min_size=1, max_size=3))
def test_any_set_is_taken_or_refused(texts):
    assert outcome("run", "smoke", *[f"--set={text}" for text in texts]) in {104, 130}


EXPRESSIONS = st.one_of(
    STRINGS,
    st.from_regex(
        r"(p\([0-9.]{1,6}\)|rate|avg|count|value)\s?(<|>=|==)-?[0-9]{1,400}(e[0-9]{1,3})?"
    ),
)
SELECTORS = st.one_of(
    st.sampled_from(["http_req_failed", "http_reqs", "http_req_duration", "waiting_time"]),
    st.from_regex(r"http_req_(failed|duration)\{[a-z_]{0,9}:?[^}]{0,9}\}?", fullmatch=True),
    STRINGS,
)


@fuzzed(80)
@given(st.dictionaries(SELECTORS, st.lists(EXPRESSIONS, max_size=3), min_size=1, max_size=2))
def test_any_thresholds_are_judged_or_refused(thresholds):
    text = tomli_w.dumps({**TABLES["smoke"], "thresholds": thresholds})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.toml"
        path.write_text(text, "utf-8")
        assert outcome("gate", path, "--workers", "1") in {104, 130}


@fuzzed(50)
@given(
    st.dictionaries(
        STRINGS | st.sampled_from(["F3", "mine"]),
        st.one_of(
            st.dictionaries(st.sampled_from(["include", "exclude", "pool", "name", "x"]), VALUES),
            VALUES,
        ),
        max_size=3,
    ),
    st.dictionaries(STRINGS | st.just("mine"), st.lists(STRINGS | st.just("mine")), max_size=2),
)
def test_any_variants_are_compared_or_refused(variants, sets):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "variants.toml"
        try:
            path.write_text(tomli_w.dumps({"variants": variants, "sets": sets}), "utf-8")
        except (ValueError, TypeError):
            assume(False)
        assert outcome("compare", "smoke", f"--variants={path}", "--workers=1") in {104, 130}


@fuzzed(30)
@given(STRINGS)
def test_any_name_of_a_variant_is_known_or_refused(name):
    assert outcome("compare", "smoke", f"--variants={name}") in {1, 104, 130}


@st.composite
def parameters(draw):
    key = draw(st.one_of(st.sampled_from(KEYS), STRINGS))
    number = st.one_of(INTEGERS, FLOATS).map(str)
    values = st.lists(st.one_of(number, STRINGS, STRINGS.map(json.dumps)), max_size=4).map(",".join)
    return f"{key}={draw(values | st.tuples(number, number).map('..'.join) | STRINGS)}"


DESIGNS = st.sampled_from([[], ["--latin=3"], ["--morris=2"], ["--knee"], ["--latin=100001"]])


@fuzzed(60)
@given(st.lists(parameters(), min_size=1, max_size=2), DESIGNS)
def test_any_sweep_is_planned_or_refused(texts, design):
    options = [f"--param={text}" for text in texts]
    assert outcome("sweep", "smoke", *options, *design, "--workers=1") in {1, 104, 130}


@fuzzed(50)
@given(
    st.sampled_from(
        ["--seed", "--replications", "--workers", "--scale", "--budget", "--precision"]
    ),
    st.one_of(
        INTEGERS.map(str), FLOATS.map(str), STRINGS, st.just("1h30m"), st.just("9" * 30 + "s")
    ),
)
def test_any_number_on_the_command_line_is_taken_or_refused(option, value):
    assert outcome("compare", "smoke", "--variants=F3", f"{option}={value}") in {1, 104, 130}


K6_ROWS = st.lists(
    st.tuples(
        st.sampled_from(["http_req_duration", "vus", "checks"]),
        st.one_of(INTEGERS, FLOATS, STRINGS),
        st.one_of(INTEGERS, FLOATS, STRINGS),
        STRINGS,
        STRINGS,
    ),
    max_size=8,
)


@fuzzed(60)
@given(K6_ROWS, st.sampled_from(["csv", "json"]), st.booleans())
def test_any_k6_file_is_fitted_or_refused(rows, form, gzipped):
    import csv
    import gzip

    names = ["metric_name", "timestamp", "metric_value", "name", "status"]
    file = io.StringIO(newline="")
    if form == "csv":
        csv.writer(file).writerows([names, *rows])
    else:
        for metric, time_s, value, name, status in rows:
            data = {"time": time_s, "value": value, "tags": {"name": name, "status": status}}
            file.write(json.dumps({"type": "Point", "metric": metric, "data": data}) + "\n")
    raw = file.getvalue().encode("utf-8", "replace")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"out.{form}{'.gz' * gzipped}"
        path.write_bytes(gzip.compress(raw) if gzipped else raw)
        assert outcome("calibrate", "--k6", path) in {0, 104}


@fuzzed(30)
@given(st.binary(max_size=100), st.sampled_from(["out.csv", "out.json", "out.csv.gz"]))
def test_no_bytes_are_output_of_k6(raw, name):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(raw)
        assert outcome("calibrate", "--k6", path) == 104


@fuzzed(30)
@given(
    VALUES
    | st.fixed_dictionaries(
        {"schema": st.just(1), "config": st.just("gate-pass")},
        optional={"scale": st.just(1.0), "runs": VALUES},
    )
)
def test_any_baseline_is_compared_with_or_refused(stored):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "baseline.json"
        path.write_text(json.dumps(stored, default=str))
        assert outcome("gate", "gate-pass", "--baseline", path, "--workers=1") in {104, 130}


HOSTILE = {
    "a number of 5,000 digits": "seed = " + "9" * 5_000,
    "a number beyond 64 bits": "seed = 0x" + "f" * 5_000,
    "deep lists": "seed = " + "[" * 5_000,
    "deep tables": "seed = " + "{a = " * 5_000,
    "less deep tables": "seed = " + "{a = " * DEEPEST + "1" + "}" * DEEPEST,
    "a key of 100,000 parts": ".".join(["a"] * 100_000) + " = 1",
    "a key of 100,000 parts with spaces": " . ".join(["a"] * 100_000) + " = 1",
    "a key of a million characters": "a" * 900_000 + " = 1",
    "100,000 keys": "\n".join(f"a{number} = 1" for number in range(80_000)),
    "too long": "#" * (MOST_CHARS + 1),
    "the same key twice": "seed = 1\nseed = 2",
    "a table twice": "[pool]\n[pool]",
    "an escape sequence": 'description = "\\u001b[2J"',
    "an escape sequence as a key": '"\\u001b[2J" = 1',
    "a noncharacter": 'description = "\\uffff"',
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_is_refused_quickly(text):
    assert run_of(f'name = "x"\n{text}\n') == 104


BOMBS = {
    "catalogue.users=1000000000": "less than or equal to 1000000",
    "catalogue.seats=1000000000": "less than or equal to 1000000",
    "pool.connections=1000000000": "less than or equal to 100000",
    "replications=1000000000": "less than or equal to 100000",
    "load.stages=[{duration_s=1.0, target=1e9}]": "less than or equal to 1000000",
    'load={executor="constant-vus", vus=1000000000, duration_s=1.0}': "less than or equal to 10000",
    'load={executor="constant-arrival-rate", rate=1e300, duration_s=1.0, pre_allocated_vus=1}': (
        "up to 1,000,000 iterations per second"
    ),
    "pool.timeout_s=1e300": "up to 3e+08 s",
    "host.speed=1e-300": "from 1e-09",
}


@pytest.mark.parametrize(("line", "limit"), BOMBS.items(), ids=BOMBS)
def test_what_would_take_all_memory_or_time_is_refused_with_key_value_and_limit(
    tmp_path, line, limit
):
    path = tmp_path / "bomb.toml"
    path.write_text(f'name = "bomb"\n{line}\n')
    with within(PATIENCE_S), pytest.raises(ConfigError) as refusal:
        config.load(str(path))
    assert limit in str(refusal.value)
    assert re.match(
        rf"{re.escape(str(path))}: {line.partition('=')[0]}[\w.]* = \S", str(refusal.value)
    )


def test_users_that_come_and_go_too_often_are_refused():
    stages = ", ".join(
        "{duration_s=1.0, target=900000}, {duration_s=1.0, target=0}" for _ in "1234567"
    )
    with pytest.raises(ConfigError, match="come and go; allowed: up to 10,000,000"):
        config.load("smoke", [f"load.stages=[{stages}]"])


def test_files_that_include_one_another_many_times_over_are_read_once(tmp_path):
    (tmp_path / "0.toml").write_text("[pool]\nconnections = 3\n")
    for number in range(1, 12):
        below = [f"{number - 1}.toml"] * 8
        (tmp_path / f"{number}.toml").write_text(f"include = {json.dumps(below)}\n")
    top = tmp_path / "top.toml"
    top.write_text('extends = "smoke"\ninclude = ["11.toml"]\n')
    with within(PATIENCE_S):
        assert config.load(str(top)).world.pool.connections == 3


def test_a_circle_is_seen_under_any_spelling_and_a_long_chain_has_an_end(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "a.toml").write_text('name = "a"\nextends = "x/../a.toml"\n')
    with pytest.raises(ConfigError, match="refer to one another"):
        config.load(str(tmp_path / "a.toml"))
    for number in range(40):
        (tmp_path / f"{number}.toml").write_text(f'name = "a"\nextends = "{number + 1}.toml"\n')
    with pytest.raises(ConfigError, match="16 files"):
        config.load(str(tmp_path / "0.toml"))


@pytest.mark.parametrize(
    "path", ["/dev/zero", "/", "/dev/null", "a\0b.toml", "x" * 5_000 + ".toml"]
)
def test_what_is_no_file_is_refused(path):
    assert outcome("run", path) == 104


NUMBERS = [key.path for key in keys_of(World) if key.path.split(".")[0] not in {"load", "faults"}]


@fuzzed(60)
@given(
    st.dictionaries(
        st.sampled_from(NUMBERS),
        st.one_of(st.integers(0, 10**9), st.floats(0, 1e9), st.booleans()).map(
            lambda value: str(value).lower()
        ),
        min_size=1,
        max_size=3,
    )
)
def test_what_is_accepted_can_be_run(changes):
    try:
        world = config.load("smoke", [f"{key}={value}" for key, value in changes.items()]).world
    except ConfigError:
        assume(False)
    small = world.catalogue.users <= 5_000 and world.catalogue.seats <= 5_000
    assume(small and virtual_users(world) <= 1_000 and world.service.started_before_s <= 1_000)
    told = []

    def hear(progress):
        told.append(progress.now_s)
        return len(told) > 3

    with within(PATIENCE_S):
        result = simulate(world, 1, scale=0.5, progress=hear)
    assert sum(result.funnel.values()) > 0


@given(st.text(max_size=50))
def test_parsing_has_one_kind_of_error(text):
    try:
        parse(text)
    except TomlError:
        return
