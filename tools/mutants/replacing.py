"""Two ways to give a module another source: in functions that exist, and when it is imported."""

from collections.abc import Iterator, Sequence
import gc
import importlib.abc
import importlib.machinery
import linecache
from pathlib import Path
import sys
from types import CodeType, FunctionType, ModuleType

Place = tuple[str, int]


class Functions:
    """
    The functions of a module, wherever they are referred to.

    :param module: imported
    """

    def __init__(self, module: ModuleType) -> None:
        assert module.__file__ is not None
        self._path = module.__file__
        self._functions: dict[Place, list[FunctionType]] = {}
        for item in gc.get_objects():
            if isinstance(item, FunctionType) and item.__code__.co_filename == self._path:
                self._functions.setdefault(_place_of(item.__code__), []).append(item)

    def replace(self, source: str, first_line: int) -> bool:
        """
        Give one of them, and what is defined in it, the code of another source.

        :param source: of the module; up to the function it is the same
        :param first_line: of the function, with its decorators
        :return: false when it can not be done, for lack of such a function
        """
        _show(self._path, source)
        for code in _list_codes(compile(source, self._path, 'exec', dont_inherit=True)):
            functions = self._functions.get(_place_of(code), [])
            if code.co_firstlineno == first_line and functions:
                for function in functions:
                    function.__code__ = code
                return True
        return False


class Importer(importlib.abc.MetaPathFinder):
    """
    Finds one module with another source; to be put in front of sys.meta_path.

    :param module: dotted name
    :param path: of its source
    :param source: that takes its place
    """

    def __init__(self, module: str, path: Path, source: str) -> None:
        self._module = module
        self._path = path
        self._source = source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find it, and nothing else."""
        if fullname != self._module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is None or spec.origin is None:
            return None
        spec.loader = _Loader(fullname, spec.origin, self._source)
        return spec


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, fullname: str, path: str, source: str) -> None:
        super().__init__(fullname, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        _show(self.path, self._source)
        return compile(self._source, self.path, 'exec', dont_inherit=True)


def find_module(name: str, path: Path) -> ModuleType | None:
    """
    Give an imported module.

    :param name: dotted
    :param path: of its source
    :return: None when it was not imported, or from elsewhere
    """
    module = sys.modules.get(name)
    if module is None or module.__file__ is None:
        return None
    return module if Path(module.__file__).resolve() == path.resolve() else None


def _show(path: str, source: str) -> None:
    # AutoGraph reads sources. Without a time the file is not read anew.
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)


def _list_codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _list_codes(constant)


def _place_of(code: CodeType) -> Place:
    return code.co_name, code.co_firstlineno
