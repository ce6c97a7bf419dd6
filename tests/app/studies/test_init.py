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


MODELS = """
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase):
    pass

class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    piece_id: Mapped[int]
"""
WEB = """
from functools import lru_cache
from flask import Flask
from sqlalchemy import create_engine, text
from {package}.models import Base

URL = "postgresql+psycopg2://shop@db/wares"

{more}

def create_app():
    app = Flask(__name__)
    {made}

    @app.get("/")
    def count():
        with {engine}.connect() as connection:
            return str(connection.scalar(text("SELECT count(*) FROM items")))
    return app
"""


@pytest.fixture
def lazy(tmp_path, monkeypatch):
    """Write a package whose engine is made in some other way than at an import."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def write(package, **parts):
        forget(package, "app_sim")
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
        (tmp_path / package / "models.py").write_text(MODELS)
        (tmp_path / package / "web.py").write_text(WEB.format(package=package, **parts))
        assert main(["init", "--app", f"{package}.web:create_app()", str(tmp_path)]) == 0
        config = " ".join((tmp_path / "app.toml").read_text().replace("#", " ").split())
        return config, (tmp_path / "app_sim.py").read_text()

    yield write
    forget("app_sim")


def test_an_engine_of_a_factory_is_found_with_the_tables_that_nobody_made(lazy, capsys):
    config, module = lazy("infactory", more="", made="engine = create_engine(URL)", engine="engine")
    assert "databases: postgres: wares" in config
    assert "items: id, piece_id" in module
    assert "infactory.models.Base.metadata.create_all(engine)" in module
    capsys.readouterr()


def test_tables_that_nobody_made_are_made_by_the_project_where_it_can(lazy, tmp_path, capsys):
    parts = {"more": "engine = create_engine(URL)", "made": "", "engine": "engine"}
    _, module = lazy("inmodule", **parts)
    assert "    Base.metadata.create_all(engine)" in module
    assert main(["run", str(tmp_path / "app.toml"), "--set", "load.vus=2"]) == 0
    assert "HOLDS" in capsys.readouterr().out


def test_where_no_database_is_found_it_says_where_it_looked_and_what_connects_later(lazy, capsys):
    later = "@lru_cache\ndef engine():\n    return create_engine(URL)"
    config, module = lazy("infunction", more=later, made="", engine="engine()")
    assert "databases: none found; Redis: none found" in config
    assert "The code connects later: infunction/web.py:11 create_engine" in config
    assert "items: id, piece_id" in module
    capsys.readouterr()


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
