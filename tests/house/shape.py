"""How long, how wide and how explained may code be?"""

import ast
import re
from collections.abc import Iterator

from tests.house.tree import Module

FILE_LINES, TEST_FILE_LINES, FUNCTION_LINES = 300, 400, 40
PARAMETERS, POSITIONAL = 6, 2
DOCSTRING_LINES = 6
# grpc calls these by position.
FOREIGN = re.compile(r"intercept_(unary|stream)_(unary|stream)|intercept_service").fullmatch

Function = ast.FunctionDef | ast.AsyncFunctionDef


def files_are_short(module: Module) -> Iterator[str]:
    most = TEST_FILE_LINES if module.room == "tests" else FILE_LINES
    lines = module.text.count("\n")
    if lines > most:
        yield module.at(1, f"{lines} lines; {most} at most: split it")


def functions_are_short(module: Module) -> Iterator[str]:
    for function in module.functions():
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > FUNCTION_LINES:
            yield module.at(function.lineno, f"{function.name} has {lines} lines; {FUNCTION_LINES} at most")


def parameters_are_few(module: Module) -> Iterator[str]:
    """Parameters that begin with an underscore are unused: a foreign caller's signature asks for them."""
    if not module.is_shipped:
        return
    for function in module.functions():
        if FOREIGN(function.name):
            continue
        positional = [each for each in _positional(function) if not each.arg.startswith("_")]
        everything = len(positional) + len(function.args.kwonlyargs)
        if everything > PARAMETERS:
            yield module.at(function.lineno, f"{function.name} has {everything} parameters; {PARAMETERS} at most")
        elif len(positional) > POSITIONAL and not _is_dunder(function):
            yield module.at(function.lineno, f"{function.name}: keyword-only after the second parameter")


def modules_say_which_question_they_answer(module: Module) -> Iterator[str]:
    docstring = ast.get_docstring(module.tree, clean=False)
    if not docstring or not docstring.strip():
        yield module.at(1, "no docstring: which question does this file answer?")
    elif module.is_shipped and not _draws_a_tree(docstring) and docstring.strip().count("\n") >= DOCSTRING_LINES:
        yield module.at(1, f"its docstring is longer than {DOCSTRING_LINES} lines")


def everything_is_annotated(module: Module) -> Iterator[str]:
    for function in module.functions():
        arguments = [*_positional(function), *function.args.kwonlyargs]
        arguments += [each for each in (function.args.vararg, function.args.kwarg) if each]
        naked = [each.arg for each in arguments if each.annotation is None]
        if naked:
            yield module.at(function.lineno, f"{function.name}: no annotation of {', '.join(naked)}")
        if function.returns is None:
            yield module.at(function.lineno, f"{function.name}: no annotation of what it returns")


def no_abstract_classes(module: Module) -> Iterator[str]:
    for line, name in module.imports():
        if name.split(".")[0] == "abc":
            yield module.at(line, "an interface is a Protocol where it is needed; no abstract base classes")


def _positional(function: Function) -> list[ast.arg]:
    found = [*function.args.posonlyargs, *function.args.args]
    return found[1:] if found and found[0].arg in {"self", "cls"} else found


def _is_dunder(function: Function) -> bool:
    return function.name.startswith("__") and function.name.endswith("__") and function.name != "__init__"


def _draws_a_tree(docstring: str) -> bool:
    """The error tree of kit/errors.py is a drawing, and the place where people look for it."""
    return "├──" in docstring
