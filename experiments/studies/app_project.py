"""`ticketsim init --app MODULE:APP`: a project beside an application, from a look at it."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from experiments.errors import OptionError, OutputError
from sim.app.errors import ApplicationError, NoWsgiError
from sim.app.modules import own_modules, roots_of
from sim.load.settings import PerVUIterations
from sim.world import Application, Service, World

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_BOOT_S: Final = 0.5
_NAMES: Final = ("app.toml", "app_sim.py", ".github/workflows/ticketsim.yml")
_METHODS: Final = ("get", "post", "put", "patch", "delete")


@dataclass
class Look:
    """What was seen of an application when it was imported on simulated time."""

    routes: list[tuple[str, str]] = field(default_factory=list)
    """(method, path) of each route."""
    tables: dict[str, list[str]] = field(default_factory=dict)
    databases: list[str] = field(default_factory=list)
    redis_urls: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)
    """Django's models, as module:name, parents first."""
    modules: list[str] = field(default_factory=list)
    """The application's own modules."""
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
    application = server.application
    modules = own_modules(roots_of(server.settings.path))
    found = Look(routes=sorted(set(_routes(application))), modules=sorted(modules))
    for (dialect, name), database in server.database.by_name.items():
        found.databases.append(f"{dialect}: {name}")
        for table in database.store.tables.values():
            found.tables[table.name] = list(table.columns)
    found.redis_urls = _redis_urls(modules)
    django = sys.modules.get("django.apps")
    others = hasattr(application, "url_map") or hasattr(application, "routes")
    if django is not None and django.apps.models_ready and not others:
        _add_django(found, django.apps, modules)
    return found


def _add_django(found: Look, apps: Any, modules: Mapping[str, Any]) -> None:
    """Models and databases of Django, which connects only when a request comes."""
    settings = sys.modules["django.conf"].settings
    for each in settings.DATABASES.values():
        dialect = "postgres" if "postgres" in each["ENGINE"] else "mysql"
        found.databases.append(f"{dialect}: {each['NAME']}")
    for cache in getattr(settings, "CACHES", {}).values():
        places = cache.get("LOCATION") or ()
        listed = [places] if isinstance(places, str) else places
        found.redis_urls += [place for place in listed if str(place).startswith("redis")]
    for model in _parents_first(apps.get_models(include_auto_created=False)):
        about = model._meta  # noqa: SLF001 - Django documents it
        if about.managed:
            found.models.append(f"{model.__module__}:{model.__name__}")
            found.tables[about.db_table] = [part.column for part in about.local_fields]
    found.modules = sorted(modules)


def _parents_first(models: Iterable[Any]) -> list[Any]:
    """Models in an order in which their tables can be made."""
    ordered: dict[Any, None] = {}

    def add(model: Any, below: frozenset[Any]) -> None:
        if model in ordered or model in below:
            return
        for part in model._meta.local_fields:  # noqa: SLF001 - Django documents it
            if part.remote_field is not None and part.related_model in listed:
                add(part.related_model, below | {model})
        ordered[model] = None

    listed = list(models)
    for each in listed:
        add(each, frozenset())
    return list(ordered)


def _redis_urls(modules: Mapping[str, Any]) -> list[str]:
    """URLs of the Redis clients and pools that the application's modules hold."""
    redis = sys.modules.get("redis")
    if redis is None:
        return []
    found = set()
    for module in modules.values():
        for value in vars(module).values():
            # Flask's proxies answer no question outside a request: only the type is looked at.
            if issubclass(type(value), redis.Redis):
                value = value.connection_pool  # noqa: PLW2901 - the pool of a client
            if issubclass(type(value), redis.ConnectionPool):
                options = value.connection_kwargs
                host, port = options.get("host", "localhost"), options.get("port", 6379)
                found.add(f"redis://{host}:{port}/{options.get('db') or 0}")
    return sorted(found)


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
        return _django_routes(sys.modules["django.urls"].get_resolver().url_patterns, "/")
    return []


def _django_routes(patterns: Iterable[Any], before: str) -> list[tuple[str, str]]:
    """Routes of Django; a function does not say which methods it answers, so GET is shown."""
    found = []
    for pattern in patterns:
        path = before + str(pattern.pattern).lstrip("^").rstrip("$")
        if hasattr(pattern, "url_patterns"):
            found += _django_routes(pattern.url_patterns, path)
            continue
        view = getattr(pattern.callback, "view_class", None)
        names = [] if view is None else [name for name in _METHODS if hasattr(view, name)]
        found += [(name.upper(), path) for name in names or ["get"]]
    return found


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
        for name, text in zip(_NAMES, (_config(path, seen), _module(seen), _gate()), strict=True):
            place = target / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, "utf-8")
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
# Seen: {len(seen.routes)} routes; databases: {", ".join(seen.databases) or "none"}; Redis: \
{", ".join(seen.redis_urls) or "none"}.
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

# ticketsim gate app.toml, and .github/workflows/ticketsim.yml, fail where these are not met.
[thresholds]
# Without answers 402, 403, 409 and 410: a service says no where a sale goes well, too. k6 counts
# those as failed, and so does http_req_failed without {{refused:false}}.
"http_req_failed{{refused:false}}" = ["rate<0.01"]
http_req_duration = ["p(95)<500"]
"""


def _gate() -> str:
    """The starter project's workflow, for this config."""
    text = (resources.files("experiments.shipped") / "starter" / "onsale-gate.yml").read_text(
        "utf-8"
    )
    return text.replace("onsale.toml", "app.toml").replace("on-sale gate", "ticketsim gate")


def _seed(seen: Look) -> str:
    """The body of seed(): Django's tables are made there; others make theirs when imported."""
    if not seen.models:
        return ""
    imports = "\n".join(
        f"    from {module} import {name}"
        for module, name in (each.split(":") for each in seen.models)
    )
    makes = "\n".join(
        f"        editor.create_model({each.partition(':')[2]})" for each in seen.models
    )
    return f"""    from django.db import connection

{imports}

    with connection.schema_editor() as editor:
{makes}
"""


def _invariant(seen: Look) -> str:
    """An example on a table of the application, or on a made-up one."""
    for table, columns in sorted(seen.tables.items()):
        for column in columns:
            if column.endswith("_id"):
                of_each = f"count(*) AS n FROM {table} GROUP BY {column}"
                return (
                    f'#     "{column} twice in {table}": rows.count(\n'  # noqa: S608 - an example
                    f'    #         "SELECT sum(n - 1) FROM (SELECT {of_each})"\n'
                    "    #     ),"
                )
    return '#     "too many": max(0, keys.size("inside") - 50),'


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
{_seed(seen)}

def check(rows, keys):
    """What must always hold: name -> violations. Tables that were seen:

{tables or "    none yet"}
    """
    # return {{
    {_invariant(seen)}
    # }}
    return {{}}
'''
