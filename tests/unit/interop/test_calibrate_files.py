"""Files that contradict themselves give no number; exported runs give their world back."""

import json

import pytest

from experiments.cli.main import main
from experiments.interop.k6_output import Output, Request, read_output
from experiments.interop.k6_thresholds import Names
from experiments.studies.calibrate.study import calibration

DATES = "GET /v1/concerts/{id}/available-dates"


def one_user(name=DATES, *, mean_ms=6.0, count=60, users=1):
    """A file of one user: requests of three durations, one after the other."""
    requests = [
        Request(1_000.0 + 0.01 * number, name, "200", mean_ms - 1 + number % 3)
        for number in range(count)
    ]
    return Output("one.csv", requests, {1_000: users} if users is not None else {})


def ramp(name=DATES, *, seconds=16, mean_ms=20.0, per_user=40, users=None, pause=False):
    """A ramp of one user more every two seconds, of whom each sends requests without a pause."""
    requests, vus = [], {}
    for second in range(seconds):
        vus[2_000 + second] = (2 + second // 2) if users is None else users
        count = 1 if pause else per_user * (2 + second // 2)
        requests += [
            Request(2_000.0 + second + number / count, name, "200", mean_ms)
            for number in range(count)
        ]
    return Output("ramp.csv", requests, vus)


def parameter(outputs, name="capacity_rps", **more):
    found = calibration(outputs, **more)
    return next(one for one in found.parameters if one.name == name), found


def test_requests_named_by_endpoint_or_by_short_name_are_the_same():
    for name in (DATES, "dates"):
        _, found = parameter([one_user(name), ramp(name)])
        assert [fit.name for fit in found.service_times] == ["dates 200"]
        assert found.remarks == []


@pytest.mark.parametrize(
    ("outputs", "says"),
    [
        pytest.param(
            [one_user(), ramp("GET /elsewhere")],
            "no request of the file of one user; it has GET /elsewhere",
            id="a ramp that shares no name with the file of one user",
        ),
        pytest.param(
            [one_user(), ramp(pause=True)], "they pause", id="users that pause, or misread times"
        ),
        pytest.param(
            [one_user(), ramp(users=2, per_user=400, mean_ms=200.0)],
            "requests are under way for each user",
            id="more requests than users",
        ),
        pytest.param(
            [one_user(), ramp(users=1), Output("more.csv", [], {1: 5.0})],
            "needs a ramp of users",
            id="a ramp without requests",
        ),
        pytest.param(
            [one_user(users=None), ramp()], "needs a ramp of users and a file", id="users unknown"
        ),
    ],
)
def test_no_confident_number_from_files_that_contradict_themselves(outputs, says):
    capacity, _ = parameter(outputs)
    assert not capacity.identified
    assert says in capacity.why


def test_seconds_with_requests_and_without_users_are_a_contradiction():
    output = ramp()
    users = {second: 0.0 if second % 4 < 2 else count for second, count in output.users.items()}
    capacity, _ = parameter([one_user(), Output("ramp.csv", output.requests, users)])
    assert "seconds without users" in capacity.why


def test_a_file_without_users_is_not_one_of_one_user():
    _, found = parameter([one_user(users=None)])
    assert found.service_times == []
    assert any("the number of users is unknown" in line for line in found.remarks)


def test_equal_durations_have_no_distribution():
    requests = [Request(float(n), DATES, "200", 5.0) for n in range(60)]
    _, found = parameter([Output("one.csv", requests, {0: 1.0})])
    assert found.service_times == []


def test_unknown_names_are_shown_and_can_be_mapped():
    outputs = [one_user("my dates"), ramp("my dates")]
    _, found = parameter(outputs)
    assert any("no endpoint is known for the requests my dates" in line for line in found.remarks)
    _, found = parameter(outputs, names=Names({"my dates": DATES}))
    assert [fit.name for fit in found.service_times] == ["dates 200"]
    assert found.remarks == []


WORLD = """
name = "exported"
replications = 1
[policy]
preset = "incident"
[customer]
script = "tests.support.calibration_customers:asks_in_turn"
[catalogue]
users = 50_001
capacity = 50_000
seats = 50
[service]
started_before_s = 0.0
warm = true
[pool]
connections = 2
[host]
cores = 6.0
[generator.host]
cores = 64.0
[load]
"""
LOADS = {
    "one": 'executor = "constant-vus"\nvus = 1\nduration_s = 8.0\ngraceful_stop_s = 0.0\n',
    "ramp": 'executor = "ramping-vus"\nstart_vus = 1\nstages = [{duration_s = 14.0, target = 60}]\n'
    "graceful_ramp_down_s = 0.0\ngraceful_stop_s = 0.0\n",
}


def test_an_exported_run_gives_its_world_back(tmp_path, capsys):
    files = []
    for name, load in LOADS.items():
        config = tmp_path / f"{name}.toml"
        config.write_text(WORLD + load)
        folder, file = str(tmp_path / name), tmp_path / f"{name}.csv.gz"
        assert main(["run", str(config), "--samples", "--out", folder, "--quiet"]) == 0
        export = ["export", folder, "--format", "k6-csv", "--out", str(file), "--quiet"]
        assert main(export) == 0
        files.append(str(file))
    capsys.readouterr()
    assert main(["calibrate", "--k6", *files, "--json", "--quiet"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["remarks"] == []
    parameters = {one["name"]: one for one in found["parameters"]}
    for name, true in (("host.speed", 1.0), ("pool.connections", 2)):
        estimate = parameters[name]
        assert estimate["identified"], estimate["why"]
        assert estimate["low"] <= true <= estimate["high"]
    assert not parameters["host.cores"]["identified"]
    assert read_output(files[1]).most_users == pytest.approx(60, abs=2)
