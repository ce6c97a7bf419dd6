"""The application's own modules: imported anew for each worker process and each run.

Libraries stay as they are. A module is the application's if its file is below one of its folders.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import inspect
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sim.app.errors import ApplicationError, CannotImportError, NoWsgiError
from sim.app.seams.leftovers import LEFTOVERS
from sim.app.seams.runtime import RUNTIME
from sim.customers.customer_function import customer_function

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

_LIBRARIES: Final = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_OURS: Final = frozenset({"sim", "model", "experiments", "tests"})
_import: Final = builtins.__import__


def roots_of(path: str, key: str = "app.wsgi") -> tuple[str, ...]:
    """Folders of the application's code. Raises `CannotImportError` if there is no such module."""
    top = path.partition(":")[0].partition(".")[0]
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError) as error:
        raise CannotImportError(f"{key} {path}: {error}") from error
    if spec is None:
        raise CannotImportError(
            f"{key} {path}: there is no module {top}; python_path in the config says where the "
            f"application's code is (searched: {', '.join(filter(None, sys.path[:6]))}, ...)"
        )
    if spec.submodule_search_locations:
        folder = str(Path(next(iter(spec.submodule_search_locations))).resolve())
        outer = str(Path(folder).parent)
        return (
            (folder + os.sep,) if any(mark in folder for mark in _LIBRARIES) else (outer + os.sep,)
        )
    return (str(Path(str(spec.origin)).resolve().parent) + os.sep,)


def own_modules(roots: tuple[str, ...]) -> dict[str, ModuleType]:
    """The application's modules that are imported at present."""
    ours = str(Path(__file__).resolve().parents[2]) + os.sep
    found = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name == "__main__" or not file or not str(file).startswith(roots):
            continue
        root = next(each for each in roots if file.startswith(each))
        if any(mark in os.sep + file.removeprefix(root) for mark in _LIBRARIES):
            continue
        inside = str(file).startswith(ours) and name.partition(".")[0] in _OURS
        if not inside:
            found[name] = module
    return found


class Code:
    """The application's code in one run: a copy of its modules for each worker."""

    def __init__(
        self,
        path: str,
        roots: tuple[str, ...],
        *,
        keeps: str,
        customers: frozenset[str],
        key: str = "app.wsgi",
    ) -> None:
        self._path = path
        self._key = key
        self._roots = roots
        self._keeps = keeps
        self._customers = customers
        self._current: Mapping[str, ModuleType] | None = None

    @property
    def kept(self) -> bool:
        """Whether the modules are imported only once, for all workers and runs."""
        if self._keeps == "auto":
            return self._is_registered()
        return self._keeps == "yes"

    def _is_registered(self) -> bool:
        """Whether modules of this application are in Django's registry."""
        django = sys.modules.get("django.apps")
        if django is None or not django.apps.models_ready:
            return False
        files = (getattr(each.module, "__file__", None) for each in django.apps.get_app_configs())
        return any(str(file).startswith(self._roots) for file in files)

    def load(self) -> tuple[Any, dict[str, ModuleType]]:
        """Import the application as a new process would; return the application and its modules.

        Raises:
            CannotImportError: names the line of the application where the import failed.
        """
        if not self.kept:
            for name in own_modules(self._roots):
                if name not in self._customers:
                    del sys.modules[name]
        module_name, _, attribute = self._path.partition(":")
        try:
            found: Any = importlib.import_module(module_name)
            called = attribute.endswith("()")
            for part in (attribute.removesuffix("()") or "application").split("."):
                found = getattr(found, part)
            if called:
                found = found()
        except ApplicationError:
            raise
        except Exception as error:
            raise CannotImportError(self._told(error)) from error
        self._check(found)
        modules = {
            name: module
            for name, module in own_modules(self._roots).items()
            if name not in self._customers
        }
        self._current = modules
        LEFTOVERS.note(modules)
        return found, modules

    def _check(self, found: Any) -> None:
        """Refuse what cannot be an application of the wanted kind. Raises `CannotImportError`."""
        kind = self._key.removeprefix("app.").upper()
        if not callable(found):
            raise CannotImportError(
                f"{self._key} {self._path}: {type(found).__name__} is no {kind} application (it is "
                "not callable); allowed: package.module:name, or package.module:factory()"
            )
        takes = _takes(found)
        if kind == "ASGI" and 3 not in takes:  # noqa: PLR2004 - scope, receive, send
            other = f'; it takes 2, as WSGI: wsgi = "{self._path}"' if 2 in takes else ""  # noqa: PLR2004
            raise CannotImportError(
                f"{self._key} {self._path}: {type(found).__name__} is no ASGI application (it does "
                f"not take scope, receive and send){other}; a class or a factory is called by "
                f'asgi = "{self._path.removesuffix("()")}()"'
            )
        if kind == "WSGI" and 3 in takes and 2 not in takes:  # noqa: PLR2004 - environ, start_response
            raise NoWsgiError(
                f"{self._key} {self._path}: {type(found).__name__} is no WSGI application (it "
                f'takes 3 arguments); an ASGI application is named by asgi = "{self._path}"'
            )

    def place_of(self, error: BaseException) -> str:
        """`FILE:LINE: ` of the application's innermost line in an error's traceback; or nothing."""
        place = ""
        traceback = error.__traceback__
        while traceback is not None:
            name = traceback.tb_frame.f_code.co_filename
            if name.startswith(self._roots):
                place = f"{name}:{traceback.tb_lineno}: "
            traceback = traceback.tb_next
        return place

    def _told(self, error: BaseException) -> str:
        hint = ""
        if isinstance(error, ModuleNotFoundError):
            hint = (
                "; install it in the environment that runs ticketsim, or name the folder of the "
                "application by python_path"
            )
        told = f"{type(error).__name__}: {error}{hint}"
        place = self.place_of(error)
        return f"{place}{self._key} {self._path} cannot be imported: {told}"

    def switch_to(self, modules: Mapping[str, ModuleType]) -> None:
        """Make imports find the modules of this worker."""
        if modules is not self._current:
            self._current = modules
            sys.modules.update(modules)


def _takes(function: Callable[..., Any]) -> set[int]:
    """The numbers of positional arguments, of 2 and 3, that it can be called with."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return {2, 3}
    found = set()
    for count in (2, 3):
        with suppress(TypeError):
            signature.bind(*range(count))
            found.add(count)
    return found


class Imports:
    """Inside the block, an import in a worker's thread finds the modules of that worker."""

    def __init__(self, code: Code) -> None:
        self._code = code

    def __enter__(self) -> None:
        code = self._code

        def importing(*args: Any, **options: Any) -> Any:
            thread = RUNTIME.thread
            worker = None if thread is None else getattr(thread.local, "worker", None)
            if worker is not None and worker.modules:
                code.switch_to(worker.modules)
            return _import(*args, **options)

        builtins.__import__ = importing

    def __exit__(self, *_: object) -> None:
        builtins.__import__ = _import


def imported(path: str) -> Callable[..., Any]:
    """Import `package.module:function` again: it may refer to an application of an earlier run.

    Raises:
        CannotImportError: there is no such function.
    """
    sys.modules.pop(path.partition(":")[0], None)
    try:
        return customer_function(path)
    except ValueError as error:
        raise CannotImportError(str(error)) from error
