"""`init --app` looks at an application and writes a project that runs as it is."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from experiments.cli.main import main
from tests.app.conftest import EXAMPLES


def forget(*packages):
    """The next import finds the package in its other place."""
    for name in [name for name in sys.modules if name.partition(".")[0] in packages]:
        del sys.modules[name]


@pytest.fixture
def fashop(tmp_path, monkeypatch):
    shutil.copytree(EXAMPLES / "fastapi_shop" / "fashop", tmp_path / "fashop")
    monkeypatch.setattr(sys, "path", [*sys.path])
    forget("fashop", "app_sim")
    yield tmp_path
    forget("fashop", "app_sim")


@pytest.fixture
def shop(tmp_path, monkeypatch):
    shutil.copytree(EXAMPLES / "flask_shop" / "shop", tmp_path / "shop")
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in [name for name in sys.modules if name.partition(".")[0] in {"shop", "app_sim"}]:
        del sys.modules[name]
    return tmp_path


def test_what_it_writes_runs_and_shows_routes_and_tables(shop, capsys):
    assert main(["init", "--app", "shop.web:app", str(shop)]) == 0
    module = (shop / "app_sim.py").read_text()
    assert "POST /seats/<int:seat_id>/book" in module
    assert "bookings: id, seat_id" in module
    config = (shop / "app.toml").read_text()
    assert "mysql: shop" in config
    assert "redis://cache:6379/0" in config
    assert main(["run", str(shop / "app.toml"), "--set", "load.vus=2", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["init", "--app", "shop.web:app", str(shop)]) == 1
    assert "there already" in capsys.readouterr().err


SELLS_OUT = """
def customer(user):
    token = user.post("/token", json={"user": user.id}).json()["token"]
    head = {"Authorization": f"Bearer {token}"}
    seats = user.get("/seats", headers=head).json()["seats"]
    if seats:
        user.post(f"/seats/{seats[0]['id']}/book", headers=head)
    user.finish()


def seed():
    from shop.models import Seat
    from shop.web import Session

    Session.add_all(Seat(id=n, name="", price=1) for n in (1, 2, 3))
    Session.commit()


def check(rows, keys):
    return {}
"""


def test_a_right_service_that_refuses_meets_the_thresholds_that_are_written(shop, capsys):
    assert main(["init", "--app", "shop.web:app", str(shop)]) == 0
    (shop / "app_sim.py").write_text(SELLS_OUT)
    gate = ["gate", str(shop / "app.toml"), "--replications", "3", "--budget", "3"]
    locked = ["--set", 'app.env.SHOP_LOCKS_SEATS="1"', "--workers", "1"]
    assert main([*gate, *locked]) == 0
    capsys.readouterr()
    with_refusals = ["--set", 'thresholds={http_req_failed=["rate<0.01"]}']
    assert main([*gate, *locked, *with_refusals]) == 99
    told = " ".join(capsys.readouterr().out.split())
    assert "of the requests were refused (402, 403, 409, 410)" in told
    assert '"http_req_failed{refused:false}" judges those alone' in told


def test_django_gets_its_tables_and_leaves_no_transaction_open(tmp_path):
    shutil.copytree(EXAMPLES / "django_shop" / "djshop", tmp_path / "djshop")
    # Django's registry is one per process.
    ticketsim = [sys.executable, "-c", "from experiments.cli.main import main; exit(main())"]
    look = [*ticketsim, "init", "--app", "djshop.wsgi:application"]
    subprocess.run([*look, str(tmp_path)], check=True, capture_output=True)
    module = (tmp_path / "app_sim.py").read_text()
    assert "GET /seats/<int:seat_id>/book" in module
    assert module.index("create_model(Seat)") < module.index("create_model(Booking)")
    assert "djshop_booking: id, seat_id" in module
    assert (tmp_path / ".github" / "workflows" / "ticketsim.yml").exists()
    run = [*ticketsim, "run", str(tmp_path / "app.toml")]
    done = subprocess.run(
        [*run, "--set", "load.vus=2"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "transactions_left_open" not in done.stdout + done.stderr


def test_an_asgi_application_is_recognized(fashop, capsys):
    assert main(["init", "--app", "fashop.web:app", str(fashop)]) == 0
    config = (fashop / "app.toml").read_text()
    assert 'asgi = "fashop.web:app"' in config
    assert "6 routes; databases: postgres: shop" in config
    module = (fashop / "app_sim.py").read_text()
    assert "POST /seats/{seat_id}/book" in module
    assert "tokens: id, user_id" in module
    capsys.readouterr()
    assert main(["run", str(fashop / "app.toml"), "--set", "load.vus=2", "--quiet"]) in {0, 99}
    capsys.readouterr()


def test_an_application_that_is_not_there_is_an_invalid_option(shop, capsys):
    assert main(["init", "--app", "no_such_shop:app", str(shop)]) == 104
    assert "no_such_shop" in capsys.readouterr().err
