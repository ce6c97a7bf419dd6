"""The application's own modules: imported anew for each worker process and each run.

Libraries stay as they are. A module is the application's if its file is below one of its folders.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sim.app.errors import ApplicationError, CannotImportError
from sim.app.seams.runtime import RUNTIME
from sim.customers.customer_function import customer_function

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

_LIBRARIES: Final = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_OURS: Final = frozenset({"sim", "model", "experiments", "tests"})
_import: Final = builtins.__import__


def roots_of(wsgi: str) -> tuple[str, ...]:
    """Folders of the application's code. Raises `CannotImportError` if there is no such module."""
    top = wsgi.partition(":")[0].partition(".")[0]
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError) as error:
        raise CannotImportError(f"app.wsgi {wsgi}: {error}") from error
    if spec is None:
        raise CannotImportError(
            f"app.wsgi {wsgi}: there is no module {top}; python_path in the config says where the "
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
        self, wsgi: str, roots: tuple[str, ...], *, keeps: str, customers: frozenset[str]
    ) -> None:
        self._wsgi = wsgi
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
        module_name, _, attribute = self._wsgi.partition(":")
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
        if not callable(found):
            raise CannotImportError(
                f"app.wsgi {self._wsgi}: {type(found).__name__} is not a WSGI application (not "
                "callable); allowed: package.module:name, or package.module:factory()"
            )
        modules = {
            name: module
            for name, module in own_modules(self._roots).items()
            if name not in self._customers
        }
        self._current = modules
        return found, modules

    def _told(self, error: BaseException) -> str:
        place = ""
        traceback = error.__traceback__
        while traceback is not None:
            name = traceback.tb_frame.f_code.co_filename
            if name.startswith(self._roots):
                place = f"{name}:{traceback.tb_lineno}: "
            traceback = traceback.tb_next
        hint = ""
        if isinstance(error, ModuleNotFoundError):
            hint = (
                "; install it in the environment that runs ticketsim, or name the folder of the "
                "application by python_path"
            )
        told = f"{type(error).__name__}: {error}{hint}"
        return f"{place}app.wsgi {self._wsgi} cannot be imported: {told}"

    def switch_to(self, modules: Mapping[str, ModuleType]) -> None:
        """Make imports find the modules of this worker."""
        if modules is not self._current:
            self._current = modules
            sys.modules.update(modules)


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
