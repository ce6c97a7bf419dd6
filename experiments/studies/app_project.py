"""`ticketsim init --app MODULE:APP`: a project beside an application, from a look at it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from experiments.errors import OptionError, OutputError
from sim.app.errors import ApplicationError, NoWsgiError
from sim.load.settings import PerVUIterations
from sim.world import Application, Service, World

_BOOT_S: Final = 0.5
_NAMES: Final = ("app.toml", "app_sim.py")


@dataclass
class Look:
    """What was seen of an application when it was imported on simulated time."""

    routes: list[tuple[str, str]] = field(default_factory=list)
    """(method, path) of each route."""
    tables: dict[str, list[str]] = field(default_factory=dict)
    databases: list[str] = field(default_factory=list)
    uses_redis: bool = False
    is_asgi: bool = False


def look_at(path: str) -> Look:
    """Import the application as a run would, and see what it has.

    Raises:
        OptionError: it cannot be imported, or does what cannot be simulated.
    """
    try:
        try:
            return _look(Application(wsgi=path))
        except NoWsgiError:
            return _look(Application(asgi=path))
    except ApplicationError as error:
        raise OptionError("app", str(error)) from error


def _look(application: Application) -> Look:
    """`look_at` an application of a known kind. Raises ApplicationError."""
    from sim.app.parts import ApplicationParts

    base = World()
    world = replace(
        base,
        app=application,
        load=PerVUIterations("per-vu-iterations", vus=1, iterations=1, max_duration_s=1.0),
        service=Service(started_before_s=1.0),
    )
    parts = ApplicationParts(world, 1.0, 1)
    try:
        with parts.alive():
            parts.server.start()
            parts.env.run(until=_BOOT_S)
            if parts.end.failure:
                raise OptionError("app", parts.end.failure)
            seen = _seen(parts.server)
    finally:
        parts.close()
    seen.is_asgi = bool(application.asgi)
    return seen


def _seen(server: Any) -> Look:
    found = Look(routes=sorted(set(_routes(server.application))))
    for (dialect, name), database in server.database.by_name.items():
        found.databases.append(f"{dialect}: {name}")
        for table in database.store.tables.values():
            found.tables[table.name] = list(table.columns)
    found.uses_redis = "redis" in sys.modules
    return found


def _routes(application: Any) -> list[tuple[str, str]]:
    url_map = getattr(application, "url_map", None)
    if url_map is not None:
        return [
            (method, str(rule.rule))
            for rule in url_map.iter_rules()
            for method in sorted(rule.methods - {"HEAD", "OPTIONS"})
            if rule.endpoint != "static"
        ]
    routes = getattr(application, "routes", None)
    if routes is not None:
        return list(_starlette_routes(routes, ""))
    if "django.urls" in sys.modules:
        patterns = sys.modules["django.urls"].get_resolver().url_patterns
        return [("GET", "/" + str(pattern.pattern)) for pattern in patterns]
    return []


def _starlette_routes(routes: Any, before: str) -> Iterator[tuple[str, str]]:
    """Routes of Starlette and FastAPI, mounted applications' too, without the documentation."""
    for route in routes:
        path = f"{before}{getattr(route, 'path', '')}"
        inner = getattr(route, "routes", None)
        if inner:
            yield from _starlette_routes(inner, path)
        elif getattr(route, "include_in_schema", True):
            for method in sorted((getattr(route, "methods", None) or set()) - {"HEAD", "OPTIONS"}):
                yield method, path


def write_project(path: str, folder: str) -> Path:
    """Look at an application and write a config and a module beside it.

    Args:
        path: package.module:name of the application.
        folder: where the package is.

    Returns:
        the path of the config.

    Raises:
        OptionError: the application cannot be looked at.
        OutputError: a file is there already, or cannot be written.
    """
    target = Path(folder)
    there = [name for name in _NAMES if (target / name).exists()]
    if there:
        raise OutputError(f"{target / there[0]}: there already; nothing was written")
    sys.path.insert(0, str(target.resolve()))
    seen = look_at(path)
    try:
        for name, text in zip(_NAMES, (_config(path, seen), _module(seen)), strict=True):
            (target / name).write_text(text, "utf-8")
    except OSError as error:
        raise OutputError(f"{target}: {error.strerror}") from error
    return target / _NAMES[0]


def _config(path: str, seen: Look) -> str:
    server = (
        f'asgi = "{path}"\nworkers = 1                 # as in your uvicorn command'
        if seen.is_asgi
        else f'wsgi = "{path}"\nworkers = 2                 # as in your gunicorn command\n'
        "threads = 8"
    )
    return f"""name = "{path.partition(":")[0].partition(".")[0]}"
description = "an application on simulated time"
# Seen: {len(seen.routes)} routes, databases {", ".join(seen.databases) or "none"}, Redis \
{"imported" if seen.uses_redis else "not imported"}.
python_path = "."           # where the application and app_sim.py are
# include = ["segments.toml"]   # what ticketsim calibrate --app app.toml --out segments.toml wrote

[app]
{server}
prepare = "app_sim:seed"
invariants = "app_sim:check"

[app.env]
# DATABASE_URL = "mysql+pymysql://user@db/shop"

# Other HTTP services that it calls:
# [app.http."api.pay.example"]
# latency_s = 0.1

[customer]
script = "app_sim:customer"

[load]
executor = "per-vu-iterations"
vus = 20
iterations = 1
max_duration_s = 120.0

[host]
cores = 2.0

[thresholds]
http_req_failed = ["rate<0.01"]
http_req_duration = ["p(95)<500"]
"""


def _module(seen: Look) -> str:
    gets = [path for method, path in seen.routes if method == "GET" and not {"<", "{"} & {*path}]
    calls = "\n".join(f'    user.get("{path}")' for path in gets[:5]) or '    user.get("/")'
    rest = "\n".join(
        f"#   {method} {path}"
        for method, path in seen.routes
        if (method, path) not in {("GET", path) for path in gets[:5]}
    )
    tables = "\n".join(
        f"#   {name}: {', '.join(columns)}" for name, columns in sorted(seen.tables.items())
    )
    return f'''"""What ticketsim needs to know beside the application. The rest of its routes:

{rest or "#   none was found"}
"""


def customer(user):
    """What one person does. user.post("/path", json={{...}}), user.sleep(2), user.rng, cookies."""
    user.sleep(user.rng.uniform(0.0, 5.0))
{calls}
    user.finish()


def seed():
    """Rows and keys from before the run, with the application's own code, imported here."""


def check(rows, keys):
    """What must always hold: name -> violations. Tables that were seen:

{tables or "    none yet"}
    """
    return {{}}
'''
