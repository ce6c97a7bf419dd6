"""Calibration gives known parameters back, and says what it cannot know."""

import numpy as np
import pytest

from experiments.config.reading import load
from experiments.errors import ConfigError
from experiments.interop.k6_output import read_output
from experiments.studies.calibrate.fits import LoadLevel, fit_capacity, fit_distribution
from experiments.studies.calibrate.fragment import fragment
from experiments.studies.calibrate.study import calibration
from model.policy import Policy
from sim.customers.settings import Customer
from sim.load.settings import ConstantVUs, RampingVUs, Stage
from sim.world import Catalogue, Generator, Host, Pool, Service, World
from tests.support.k6_csv import write_run
from tools.fit_costs import DATA


def world(cores, connections, load):
    return World(
        policy=Policy.incident(),
        customer=Customer(script="tests.support.calibration_customers:asks_in_turn"),
        load=load,
        catalogue=Catalogue(users=50_001, capacity=50_000, seats=50),
        service=Service(started_before_s=0.0, warm=True),
        pool=Pool(connections=connections),
        host=Host(cores=cores),
        # So slow that a single user does not fill the service.
        generator=Generator(host=Host(cores=64.0, speed=0.375)),
    )


ONE = ConstantVUs("constant-vus", duration_s=8.0, vus=1, graceful_stop_s=0.0)
RAMP = RampingVUs(
    stages=(Stage(14.0, 60),), start_vus=1, graceful_ramp_down_s=0.0, graceful_stop_s=0.0
)


def calibrated(folder, cores, connections):
    paths = [folder / "one.csv.gz", folder / "ramp.csv.gz"]
    for path, load_of in zip(paths, (ONE, RAMP), strict=True):
        write_run(world(cores, connections, load_of), 1, path)
    found = calibration([read_output(str(path)) for path in paths])
    return found, {estimate.name: estimate for estimate in found.parameters}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    return calibrated(tmp_path_factory.mktemp("filled"), cores=6.0, connections=2)


@pytest.fixture(scope="module")
def unfilled(tmp_path_factory):
    return calibrated(tmp_path_factory.mktemp("unfilled"), cores=1.0, connections=80)


def test_a_ramp_that_fills_the_pool_tells_how_large_it_is(filled):
    pool = filled[1]["pool.connections"]
    assert pool.identified, pool.why
    assert pool.low <= 2 <= pool.high


def test_a_ramp_that_never_fills_the_pool_says_nothing_about_it(unfilled):
    pool = unfilled[1]["pool.connections"]
    assert not pool.identified
    assert "pool" in pool.why


def test_the_speed_of_a_core_comes_back_and_their_number_does_not(unfilled):
    speed = unfilled[1]["host.speed"]
    assert speed.identified, speed.why
    assert speed.low <= 1.0 <= speed.high
    assert not unfilled[1]["host.cores"].identified


def test_a_saturated_core_has_the_capacity_that_its_work_per_request_says(unfilled):
    found, parameters = unfilled
    capacity = parameters["capacity_rps"]
    assert capacity.identified, capacity.why
    # One core: the work of a request is its time alone but for waits on the wire.
    alone_s = np.mean([d.mean_ms for d in found.service_times]) * 1e-3
    assert capacity.value == pytest.approx(1.0 / alone_s, rel=0.35)


def levels(users, rates):
    return [LoadLevel(n, {"x": rate}, {"x": 1.0}) for n, rate in zip(users, rates, strict=True)]


def test_levels_that_are_all_beyond_the_knee_tell_the_capacity():
    """The errors of the other two parameters, which nothing tells then, are not in its interval."""
    capacity = fit_capacity(levels([15, 24, 32, 40, 49], [1_358, 1_263, 1_178, 1_108, 1_048]), 2.53)
    assert capacity.identified, capacity.why
    assert capacity.low < 1_048
    assert capacity.high > 1_358
    steady = fit_capacity(levels([15, 24, 32, 40, 49], [480, 478, 481, 479, 480]), 2.7)
    assert 475 < steady.low < 480 < steady.high < 485


def test_throughput_that_changes_by_itself_tells_no_capacity():
    """From 150 to 1,000 a second with users enough all the time: code that becomes hot."""
    capacity = fit_capacity(levels([15, 24, 32, 40, 49], [150, 260, 450, 700, 1_000]), 2.5)
    assert not capacity.identified


def test_distributions_come_back_within_their_intervals():
    rng = np.random.default_rng(7)
    variance = np.log1p(0.5**2)
    covered = 0
    for _ in range(40):
        sample = 8.0 * np.exp(rng.normal(-variance / 2, np.sqrt(variance), 300))
        fit = fit_distribution("x", sample.tolist())
        covered += fit.mean_low_ms <= 8.0 <= fit.mean_high_ms
        assert fit.ks < 0.1
    # 95 % of 40 is 38; fewer than 33 has a probability of one in ten thousand.
    assert covered >= 33


def test_the_fragment_can_be_included(filled, tmp_path):
    (tmp_path / "calibrated.toml").write_text(fragment(filled[0]))
    config = tmp_path / "mine.toml"
    config.write_text('name = "mine"\ninclude = ["calibrated.toml"]\n')
    pool = filled[1]["pool.connections"]
    assert load(str(config)).world.pool.connections == max(1, round(pool.value))


def test_the_given_files_can_be_read_and_say_what_they_cannot_tell():
    files = [DATA / "measured" / name for name in ("k6_single_user.csv.gz", "k6_ramp.csv.gz")]
    found = calibration([read_output(str(path)) for path in files])
    times = {fit.name: fit for fit in found.service_times}
    assert times["gen 200"].requests > 100
    assert times["gen 200"].mean_low_ms < times["gen 200"].mean_ms < times["gen 200"].mean_high_ms
    unknown = {estimate.name for estimate in found.parameters if not estimate.identified}
    assert {"host.cores", "service.threads", "pool.timeout_s"} <= unknown


@pytest.mark.parametrize("value", ["1" + "0" * 400, "nan", "-inf"])
def test_a_number_that_k6_never_writes_is_refused(tmp_path, value):
    path = tmp_path / "k6.csv"
    rows = ["http_req_duration,0,1,,", f"vus,0,{value},,"]
    header = "metric_name,timestamp,metric_value,name,status"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"vus .* is out of range"):
        read_output(str(path))


def test_json_output_of_k6_is_read_too(tmp_path):
    path = tmp_path / "k6.json"
    point = (
        '{"type":"Point","metric":"http_req_duration","data":{"time":"2024-11-01T10:00:00.5Z",'
        '"value":12.5,"tags":{"name":"gen","status":"200"}}}\n'
    )
    path.write_text('{"type":"Metric","metric":"http_req_duration","data":{}}\n' + point)
    (request,) = read_output(str(path)).requests
    assert (request.name, request.status, request.duration_ms) == ("gen", "200", 12.5)
