"""`ticketsim init --app MODULE:APP`: a project beside an application, from a look at it."""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path
from textwrap import fill
from typing import Final

from experiments.errors import OutputError
from experiments.studies.project.look import Look, look_at

_NAMES: Final = ("app.toml", "app_sim.py", ".github/workflows/ticketsim.yml")
_WIDTH: Final = 100
_MOST_CALLS: Final = 3


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
{_seen(seen)}
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


def _seen(seen: Look) -> str:
    """What was seen, as a comment; where nothing was, what was looked at."""
    databases, clients = ", ".join(seen.databases), ", ".join(seen.redis_urls)
    text = (
        f"Seen: {len(seen.routes)} routes; databases: {databases or 'none found'}; Redis: "
        f"{clients or 'none found'}."
    )
    if not databases:
        text += (
            " Looked for a database: connections made while the application is imported, engines "
            "of SQLAlchemy that anything holds then, Django's settings"
        )
        more = (
            f", and {len(seen.later) - _MOST_CALLS} more" if len(seen.later) > _MOST_CALLS else ""
        )
        text += (
            f". The code connects later: {', '.join(seen.later[:_MOST_CALLS])}{more}; a run finds "
            "it there."
            if seen.later
            else ", calls of create_engine or of a driver in its folder."
        )
    return fill(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _gate() -> str:
    """The starter project's workflow, for this config."""
    text = (resources.files("experiments.shipped") / "starter" / "onsale-gate.yml").read_text(
        "utf-8"
    )
    return text.replace("onsale.toml", "app.toml").replace("on-sale gate", "ticketsim gate")


def _seed(seen: Look) -> str:
    """The body of seed(): Django's tables, and those that an import does not make."""
    if not seen.models:
        return _create_all(seen)
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


def _create_all(seen: Look) -> str:
    if not seen.unmade:
        return ""
    if seen.declared_in and seen.engine:
        (base_in, base), (engine_in, engine) = (
            each.split(":") for each in (seen.declared_in, seen.engine)
        )
        return f"""    from {base_in} import {base}
    from {engine_in} import {engine}

    {base}.metadata.create_all({engine})
"""
    base = seen.declared_in.replace(":", ".") or "Base"
    return f"""    # Importing the application does not make its tables: make them here, such as by
    # {base}.metadata.create_all(engine), or by your migrations.
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
