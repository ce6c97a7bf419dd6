"""Looks at an application that was imported on simulated time: routes, tables, databases, Redis."""

from __future__ import annotations

import ast
import gc
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from experiments.errors import OptionError
from sim.app.errors import ApplicationError, NoWsgiError, exited
from sim.app.modules import own_modules, roots_of
from sim.load.settings import PerVUIterations
from sim.world import Application, Service, World

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_BOOT_S: Final = 0.5
_MAKES_ENGINE: Final = frozenset({"create_async_engine", "create_engine", "engine_from_config"})
_CONNECTS: Final = frozenset({"connect", "create_pool", "ConnectionPool"})
_DRIVERS: Final = frozenset(
    {
        *("MySQLdb", "aiomysql", "asyncmy", "asyncpg", "mysql", "psycopg", "psycopg2"),
        *("psycopg_pool", "pymysql"),
    }
)
_MOST_FILES: Final = 2_000
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
    unmade: list[str] = field(default_factory=list)
    """Tables that are declared, and that importing the application does not make."""
    declared_in: str = ""
    """Where their metadata is, as module:name of what has it; empty if no module holds it."""
    engine: str = ""
    """An engine of SQLAlchemy that a module holds, as module:name."""
    later: list[str] = field(default_factory=list)
    """FILE:LINE and call where the code connects to a database, or makes an engine."""


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
    except SystemExit as error:
        raise OptionError("app", exited(error)) from error


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
    # Of applications that were looked at before in this process; held, so that no id is used again.
    before = [*_held("Engine"), *_held("MetaData")]
    try:
        with parts.alive():
            parts.server.start()
            parts.env.run(until=_BOOT_S)
            if parts.end.failure:
                raise OptionError("app", parts.end.failure)
            seen = _seen(parts.server)
            _add_sqlalchemy(seen, {id(one) for one in before}, own_modules(_roots(parts.server)))
            if not seen.databases:
                seen.later = _connects_later(own_modules(_roots(parts.server)))
    finally:
        parts.close()
    seen.is_asgi = bool(application.asgi)
    return seen


def _seen(server: Any) -> Look:
    application = server.application
    modules = own_modules(_roots(server))
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


def _roots(server: Any) -> tuple[str, ...]:
    return roots_of(server.settings.path)


def _held(kind: str) -> list[Any]:
    """The engines, or the metadata, of SQLAlchemy that anything in this process holds."""
    sqlalchemy = sys.modules.get("sqlalchemy")
    # A proxy such as Flask's answers no question outside a request: only the type is looked at.
    wanted = None if sqlalchemy is None else getattr(sqlalchemy, kind)
    return (
        [] if wanted is None else [one for one in gc.get_objects() if issubclass(type(one), wanted)]
    )


def _add_sqlalchemy(found: Look, known: set[int], modules: Mapping[str, Any]) -> None:
    """Engines wherever they were made, also in a factory, and tables that nothing has made yet."""
    for engine in _held("Engine"):
        dialect = {"postgresql": "postgres", "mariadb": "mysql"}.get(
            engine.dialect.name, engine.dialect.name
        )
        named = f"{dialect}: {engine.url.database}"
        if id(engine) not in known and named not in found.databases:
            found.databases.append(named)
        found.engine = found.engine or _name_of(engine, modules)
    for metadata in _held("MetaData"):
        new = [name for name in metadata.tables if name not in found.tables]
        if id(metadata) in known or not new:
            continue
        found.declared_in = found.declared_in or _holder_of(metadata, modules)
        found.unmade += new
        found.tables |= {
            name: [each.name for each in metadata.tables[name].columns] for name in new
        }


def _name_of(thing: Any, modules: Mapping[str, Any]) -> str:
    """The variable of a module that holds something, as module:name; empty without one."""
    names = (
        f"{module}:{name}"
        for module, code in sorted(modules.items())
        for name, value in list(vars(code).items())
        if value is thing
    )
    return next(names, "")


def _holder_of(metadata: Any, modules: Mapping[str, Any]) -> str:
    """The base class, or another thing of a module, whose `metadata` this is, as module:name."""
    names = (
        f"{module}:{name}"
        for module, code in sorted(modules.items())
        for name, value in list(vars(code).items())
        if isinstance(value, type) and vars(value).get("metadata") is metadata
    )
    return next(names, "")


def _connects_later(modules: Mapping[str, Any]) -> list[str]:
    """Calls in the application's folders that connect to a database, as FILE:LINE and the call."""
    folders = {Path(module.__file__).parent for module in modules.values() if module.__file__}
    inner = {one for one in folders if not any(other in one.parents for other in folders)}
    found = []
    for folder in sorted(inner):
        packages = (folder / "__init__.py").exists()
        for file in sorted(folder.rglob("*.py") if packages else folder.glob("*.py"))[:_MOST_FILES]:
            try:
                tree = ast.parse(file.read_text("utf-8"))
            except (SyntaxError, ValueError, OSError):
                continue
            where = file.relative_to(folder.parent if packages else folder).as_posix()
            found += [f"{where}:{line} {call}" for line, call in _connections(tree)]
    return found


def _connections(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        first, last = name.partition(".")[0], name.rpartition(".")[2]
        if last in _MAKES_ENGINE or (last in _CONNECTS and first in _DRIVERS):
            yield node.lineno, name


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
