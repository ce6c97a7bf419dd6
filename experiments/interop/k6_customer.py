"""A customer function as JavaScript: the same requests, pauses and decisions, run by k6.

Customers of an application are short Python functions: requests, pauses, conditions, loops, and
what an answer's JSON says. Such a function is translated statement by statement, with the functions
and constants of its own module that it names. Everything else is refused with its line.
"""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
import types
from collections.abc import Callable, Sequence
from typing import Any, Final

from experiments.errors import ConfigError
from sim.customers.customer_function import customer_function


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_BUILTINS: Final = _words("len min max sum abs int float bool str list sorted enumerate range")
_METHODS: Final = _words(
    "get post put patch delete request sleep finish json random uniform index bernoulli "
    "exponential normal keys values items append pop startswith endswith removeprefix "
    "removesuffix lower upper strip split join replace"
)
_ATTRIBUTES: Final = _words("id rng now_s memory ok status text content headers error")
_OPERATORS: Final[dict[type[ast.operator], str]] = {
    ast.Sub: "({} - {})",
    ast.Mult: "({} * {})",
    ast.Div: "({} / {})",
    ast.Pow: "({} ** {})",
    ast.Add: "py.add({}, {})",
    ast.Mod: "py.modulo({}, {})",
    ast.FloorDiv: "Math.floor({} / {})",
}
_COMPARISONS: Final[dict[type[ast.cmpop], str]] = {
    ast.Eq: "py.equal({}, {})",
    ast.NotEq: "!py.equal({}, {})",
    ast.Is: "py.equal({}, {})",
    ast.IsNot: "!py.equal({}, {})",
    ast.In: "py.contains({1}, {0})",
    ast.NotIn: "!py.contains({1}, {0})",
    ast.Lt: "({} < {})",
    ast.LtE: "({} <= {})",
    ast.Gt: "({} > {})",
    ast.GtE: "({} >= {})",
}
_TAKEN: Final = _words(
    "break case catch class const continue debugger default delete do else enum export extends "
    "false finally for function if import in instanceof let new null return static super "
    "switch this throw true try typeof undefined var void while with yield await arguments "
    "eval http exec sleep py rng person options Person Reply Math JSON Object Array Number "
    "String Boolean Error URL IDS METHODS BASE_URL TIMEOUT LOAD_S ARRIVALS PAUSES EACH_IS_NEW "
    "comes iterate encoded elapsedS cutExponential"
)
"""Names that mean something else in the script."""


def translated(scripts: Sequence[str]) -> tuple[str, list[str]]:
    """(the JavaScript of customer functions and of all that they name, their names there).

    Args:
        scripts: import paths of the functions, package.module:function.

    Raises:
        ConfigError: there is no such function, or a line of it cannot be translated.
    """
    written = _Written()
    names = []
    for script in scripts:
        written.script = script
        try:
            function: Any = customer_function(script)
        except ValueError as error:
            raise ConfigError("", "customer.script", str(error), value=f'"{script}"') from error
        names.append(written.function(function))
    return "\n".join(written.texts), names


class _Written:
    """Functions and constants that the script already has, each once."""

    def __init__(self) -> None:
        self.script = ""
        self.texts: list[str] = []
        self._known: dict[str, Any] = {}

    def function(self, function: Callable[..., Any]) -> str:
        """Translate a function, unless it is known; return its name."""
        plain = inspect.unwrap(function)
        if not isinstance(plain, types.FunctionType):
            raise self.error(f"{self.script} is no plain function")
        name = _safe(plain.__name__)
        if self._is_new(name, plain):
            self.texts.append(_Function(self, plain).text())
        return name

    def constant(self, name: str, value: Any) -> str | None:
        """Write a constant out; None if JavaScript has no such value."""
        safe = _safe(name)
        try:
            text = json.dumps(value)
        except (TypeError, ValueError):
            return None
        if self._is_new(safe, text):
            self.texts.insert(0, f"const {safe} = {text};")
        return safe

    def _is_new(self, name: str, value: Any) -> bool:
        if name not in self._known:
            self._known[name] = value
            return True
        if self._known[name] != value:
            raise self.error(f"two modules have a {name} each; allowed: different names")
        return False

    def error(self, problem: str) -> ConfigError:
        """The error that names the function."""
        return ConfigError("", "customer.script", problem, value=f'"{self.script}"')


class _Function:
    """One function, statement by statement."""

    def __init__(self, written: _Written, function: types.FunctionType) -> None:
        self._written = written
        self._function = function
        lines, self._first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines))).body[0]
        assert isinstance(tree, ast.FunctionDef)  # noqa: S101 - getsourcelines gives a def
        self._tree = tree
        self._parameters = [each.arg for each in tree.args.args]
        self._locals = {*self._parameters, *_assigned(tree)}
        self._loops: list[str | None] = []
        """Of each loop around the statement, the flag that a `break` sets; None: no `else`."""
        self._flags = 0

    def text(self) -> str:
        tree = self._tree
        if tree.args.vararg or tree.args.kwarg or tree.args.kwonlyargs:
            raise self._refusal(tree, "parameters with * or **")
        declared = sorted(_safe(name) for name in self._locals.difference(self._parameters))
        head = f"function {_safe(tree.name)}({', '.join(map(_safe, self._parameters))}) {{"
        names = [f"  let {', '.join(declared)};"] if declared else []
        return "\n".join([head, *names, *self._block(tree.body), "}", ""])

    def _refusal(self, node: ast.AST, what: str) -> ConfigError:
        line = self._first + getattr(node, "lineno", 1) - 1
        place = f"{self._function.__code__.co_filename}:{line}"
        return self._written.error(
            f"{place}: {what} cannot be written for k6; allowed: requests, pauses, if, for, while, "
            "numbers, texts, lists and dictionaries, and functions and constants of the module"
        )

    # Statements

    def _block(self, body: Sequence[ast.stmt]) -> list[str]:
        return [f"  {line}" for statement in body for line in self._statement(statement)]

    def _statement(self, node: ast.stmt) -> list[str]:  # noqa: C901, PLR0911 - one case each
        value = self._value
        match node:
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                return []
            case ast.Expr(value=inner):
                return [f"{value(inner)};"]
            case ast.Assign(targets=[target], value=inner):
                return [f"{self._target(target)} = {value(inner)};"]
            case ast.AnnAssign(target=target, value=ast.expr() as inner):
                return [f"{self._target(target)} = {value(inner)};"]
            case ast.AugAssign(target=target, op=operator, value=inner):
                changed = self._operation(node, operator, value(target), value(inner))
                return [f"{self._target(target)} = {changed};"]
            case ast.If(test=test, body=body, orelse=orelse):
                otherwise = ["} else {", *self._block(orelse)] if orelse else []
                return [f"if ({self._truth(test)}) {{", *self._block(body), *otherwise, "}"]
            case ast.While(test=test):
                return self._loop(node, f"while ({self._truth(test)}) {{")
            case ast.For(target=target, iter=over):
                head = f"for ({self._target(target)} of py.each({value(over)})) {{"
                return self._loop(node, head)
            case ast.Break():
                flag = self._loops[-1]
                return [f"{flag} = true;", "break;"] if flag else ["break;"]
            case ast.Continue():
                return ["continue;"]
            case ast.Return(value=inner):
                return [f"return {value(inner)};" if inner is not None else "return null;"]
        raise self._refusal(node, f"this statement ({type(node).__name__.lower()})")

    def _loop(self, node: ast.While | ast.For, head: str) -> list[str]:
        flag = None
        if node.orelse:
            self._flags += 1
            flag = f"broken{self._flags}"
        self._loops.append(flag)
        lines = [head, *self._block(node.body), "}"]
        self._loops.pop()
        if flag:
            after = [f"if (!{flag}) {{", *self._block(node.orelse), "}"]
            lines = [f"let {flag} = false;", *lines, *after]
        return lines

    def _target(self, node: ast.expr) -> str:
        match node:
            case ast.Name(id=name):
                return _safe(name)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                return f"[{', '.join(map(self._target, parts))}]"
            case ast.Subscript(value=inner, slice=key) if not isinstance(key, ast.Slice):
                return f"{self._value(inner)}[{self._value(key)}]"
            case ast.Attribute(value=inner, attr="memory"):
                return f"{self._value(inner)}.memory"
        raise self._refusal(node, "an assignment to this")

    # Expressions

    def _truth(self, node: ast.expr) -> str:
        return f"py.truth({self._value(node)})"

    def _value(self, node: ast.expr) -> str:  # noqa: C901, PLR0911, PLR0912 - one case each
        value = self._value
        match node:
            case ast.Constant(value=constant) if not isinstance(constant, bytes | complex):
                return "null" if constant is Ellipsis else json.dumps(constant)
            case ast.Name(id=name):
                return self._name(node, name)
            case ast.JoinedStr(values=parts):
                joined = " + ".join(['""', *map(self._part, parts)])
                return f"({joined})"
            case ast.BinOp(left=left, op=operator, right=right):
                return self._operation(node, operator, value(left), value(right))
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return f"!{self._truth(operand)}"
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"(-{value(operand)})"
            case ast.BoolOp(op=operator, values=parts):
                kind = "and" if isinstance(operator, ast.And) else "or"
                return f"py.{kind}({', '.join(f'() => {value(part)}' for part in parts)})"
            case ast.Compare():
                return self._comparison(node)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                return f"({self._truth(test)} ? {value(body)} : {value(orelse)})"
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                return f"[{', '.join(map(value, parts))}]"
            case ast.Dict(keys=keys, values=values):
                return self._dictionary(keys, values)
            case ast.ListComp(elt=element, generators=[loop]):
                return self._comprehension(element, loop)
            case ast.Subscript(value=inner, slice=ast.Slice(lower=lower, upper=upper, step=None)):
                ends = [value(lower) if lower else "0", *([value(upper)] if upper else [])]
                return f"{value(inner)}.slice({', '.join(ends)})"
            case ast.Subscript(value=inner, slice=key):
                return f"py.item({value(inner)}, {value(key)})"
            case ast.Attribute(value=inner, attr=name) if name in _ATTRIBUTES:
                return f"{value(inner)}.{name}"
            case ast.Call():
                return self._call(node)
        raise self._refusal(node, f"this expression ({ast.unparse(node)})")

    def _name(self, node: ast.AST, name: str) -> str:
        if name in self._locals:
            return _safe(name)
        found = self._function.__globals__.get(name)
        if found is None:
            raise self._refusal(node, f"the name {name}")
        if isinstance(found, types.FunctionType):
            return self._written.function(found)
        constant = self._written.constant(name, found)
        if constant is None:
            raise self._refusal(node, f"{name}, a {type(found).__name__},")
        return constant

    def _part(self, node: ast.expr) -> str:
        if isinstance(node, ast.FormattedValue):
            if node.format_spec is not None or node.conversion != -1:
                raise self._refusal(node, "a format in an f-string")
            return f"py.str({self._value(node.value)})"
        return self._value(node)

    def _operation(self, node: ast.AST, operator: ast.operator, left: str, right: str) -> str:
        form = _OPERATORS.get(type(operator))
        if form is None:
            raise self._refusal(node, "this operator")
        return form.format(left, right)

    def _comparison(self, node: ast.Compare) -> str:
        sides = [self._value(part) for part in (node.left, *node.comparators)]
        tests = [
            _COMPARISONS[type(operator)].format(left, right)
            for left, operator, right in zip(sides, node.ops, sides[1:], strict=False)
        ]
        return f"({' && '.join(tests)})"

    def _dictionary(self, keys: Sequence[ast.expr | None], values: Sequence[ast.expr]) -> str:
        pairs = [
            f"...{self._value(inner)}"
            if key is None
            else f"[{self._value(key)}]: {self._value(inner)}"
            for key, inner in zip(keys, values, strict=True)
        ]
        return f"({{{', '.join(pairs)}}})"

    def _comprehension(self, element: ast.expr, loop: ast.comprehension) -> str:
        if not isinstance(loop.target, ast.Name):
            raise self._refusal(element, "a comprehension over several names")
        name = _safe(loop.target.id)
        filters = "".join(f".filter(({name}) => {self._truth(test)})" for test in loop.ifs)
        return f"py.each({self._value(loop.iter)}){filters}.map(({name}) => {self._value(element)})"

    def _call(self, node: ast.Call) -> str:
        if any(isinstance(each, ast.Starred) for each in node.args):
            raise self._refusal(node, "a call with *")
        values = [self._value(each) for each in node.args]
        match node.func:
            case ast.Attribute(value=inner, attr=name) if name in _METHODS:
                named = self._named(node)
                return f"py.method({self._value(inner)}, '{name}', [{', '.join(values)}], {named})"
            case ast.Name(id=name) if name in _BUILTINS and not node.keywords:
                return f"py.{name}({', '.join(values)})"
            case ast.Name(id=name):
                called = self._function.__globals__.get(name)
                if isinstance(called, types.FunctionType):
                    return self._own_call(node, called, values)
        raise self._refusal(node, f"this call ({ast.unparse(node.func)})")

    def _named(self, node: ast.Call) -> str:
        pairs = []
        for keyword in node.keywords:
            if keyword.arg is None:
                raise self._refusal(node, "a call with **")
            pairs.append(f"{keyword.arg}: {self._value(keyword.value)}")
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"

    def _own_call(self, node: ast.Call, called: types.FunctionType, values: list[str]) -> str:
        """A call of a function of the module: its arguments in the order of its parameters."""
        parameters = list(inspect.signature(called).parameters.values())
        by_name = {keyword.arg: self._value(keyword.value) for keyword in node.keywords}
        for parameter in parameters[len(values) :]:
            if parameter.name in by_name:
                values.append(by_name[parameter.name])
            elif parameter.default is not parameter.empty:
                values.append(json.dumps(parameter.default))
        return f"{self._written.function(called)}({', '.join(values)})"


def _assigned(tree: ast.FunctionDef) -> set[str]:
    return {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _safe(name: str) -> str:
    return f"{name}_" if name in _TAKEN else name
