"""The small changes that a source can have, found in its syntax tree."""

import ast
from collections.abc import Sequence
import re

_SWAPPED_OPERATORS = {
    '<': '<=', '<=': '<', '>': '>=', '>=': '>', '==': '!=', '!=': '==',
    'is': 'is not', 'is not': 'is', 'in': 'not in', 'not in': 'in',
    'and': 'or', 'or': 'and',
    '+': '-', '-': '+', '*': '/', '/': '*', '//': '*', '%': '*', '**': '*', '@': '*',
    '&': '|', '|': '&', '^': '|', '<<': '>>', '>>': '<<',
}  # fmt: skip
_SWAPPED_NAMES = {
    'min': 'max', 'minimum': 'maximum', 'argmin': 'argmax', 'floor': 'ceil', 'any': 'all',
    'zeros': 'ones', 'zeros_like': 'ones_like', 'sum': 'mean', 'popleft': 'pop',
}  # fmt: skip
_SWAPPED_NAMES |= {new: old for old, new in _SWAPPED_NAMES.items()} | {'notify_all': 'notify'}
# It only guards: where lengths agree, as they do in a program without faults, it changes nothing.
_GUARDS = ('strict',)
Edit = tuple[int, int, str]


def find_edits(source: str, starts: Sequence[int]) -> list[tuple[Edit, str, int]]:
    """
    List the changes.

    :param source: the text
    :param starts: of its lines, in bytes
    :return: where a change begins and ends, in bytes, and what takes the place; the qualified name
        of what it lies in; the first line of the outermost function, 0 outside of functions
    """
    finder = _Finder(source.encode(), starts)
    finder.visit(ast.parse(source))
    return sorted(set(finder.found))


class _Finder(ast.NodeVisitor):
    """Collects edits; annotations, decorators, docstrings and texts are left alone."""

    def __init__(self, text: bytes, starts: Sequence[int]) -> None:
        self.found: list[tuple[Edit, str, int]] = []
        self._text = text
        self._starts = starts
        self._names: list[str] = []
        self._function_line = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.visit_defaults(node)
        self._names.append(node.name)
        outer_line = self._function_line
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        self._function_line = outer_line or first
        for statement in node.body:
            self.visit(statement)
        self._names.pop()
        self._function_line = outer_line

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]

    def visit_defaults(self, node: ast.FunctionDef) -> None:
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._names.append(node.name)
        for statement in node.body:
            self.visit(statement)
        self._names.pop()

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._remove_state(node, [node.target])
        if node.value is not None:
            self.visit(node.value)

    def visit_Assign(self, node: ast.Assign) -> None:
        self._remove_state(node, node.targets)
        # A type or a list of names.
        if not (isinstance(node.targets[0], ast.Name) and node.targets[0].id == '__all__'):
            self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Leave texts alone."""

    def visit_Raise(self, node: ast.Raise) -> None:
        """Remove it; what it says is no mutant's business."""
        if node.exc is not None:
            self._replace(node, 'pass')

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call):
            self._replace(node, 'pass')
        self.generic_visit(node)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is None:
            return
        # None is as false as False.
        if not (isinstance(node.value, ast.Constant) and not node.value.value):
            self._replace(node.value, 'None')
        self.visit(node.value)

    def visit_If(self, node: ast.If) -> None:
        self._negate(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._negate(node.test)
        self.generic_visit(node)

    def visit_With(self, node: ast.With) -> None:
        if len(node.items) == 1 and node.items[0].optional_vars is None:
            start, end = self._offset(node), self._end(node.items[0].context_expr)
            self._add(start, end, 'if True')
        self.generic_visit(node)

    def visit_Break(self, node: ast.Break) -> None:
        self._replace(node, 'continue')

    def visit_Continue(self, node: ast.Continue) -> None:
        self._replace(node, 'break')

    def visit_Compare(self, node: ast.Compare) -> None:
        operands = [node.left, *node.comparators]
        for left, right in zip(operands, operands[1:], strict=False):
            self._swap_between(left, right)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._swap_between(left, right)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self._swap_between(node.left, node.right)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._swap_between(node.target, node.value)
        self.visit(node.value)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        self._add(self._offset(node), self._offset(node.operand), '')
        self.visit(node.operand)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg not in _GUARDS:
            self.visit(node.value)

    def visit_Slice(self, node: ast.Slice) -> None:
        for bound in (node.lower, node.upper):
            if bound is not None and not isinstance(bound, ast.Constant | ast.UnaryOp):
                start, end = self._offset(bound), self._end(bound)
                self._add(start, end, f'({self._text[start:end].decode()}) + 1')
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value = node.value
        if isinstance(value, bool):
            self._replace(node, str(not value))
        elif isinstance(value, int):
            self._replace(node, str(value + 1))
        elif isinstance(value, float):
            self._replace(node, repr(value * 2 if value else 1.0))

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load) and node.id in _SWAPPED_NAMES:
            self._replace(node, _SWAPPED_NAMES[node.id])

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.ctx, ast.Load) and node.attr in _SWAPPED_NAMES:
            end = self._end(node)
            self._add(end - len(node.attr), end, _SWAPPED_NAMES[node.attr])
        self.visit(node.value)

    def _remove_state(self, node: ast.stmt, targets: list[ast.expr]) -> None:
        """Remove what changes an object, but for the first time."""
        if self._names[-1:] != ['__init__'] and any(
            isinstance(target, ast.Attribute | ast.Subscript) for target in targets
        ):
            self._replace(node, 'pass')

    def _negate(self, test: ast.expr) -> None:
        # Operators of their own negate these already, or nearly so.
        is_negated = isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not)
        if not is_negated and not isinstance(test, ast.NamedExpr):
            start, end = self._offset(test), self._end(test)
            self._add(start, end, f'not ({self._text[start:end].decode()})')

    def _swap_between(self, left: ast.expr, right: ast.expr) -> None:
        start, end = self._end(left), self._offset(right)
        match = re.search(rb'is\s+not\b|not\s+in\b|\w+|[^\s\w()#]+', self._text[start:end])
        if match is not None:
            operator = ' '.join(match.group().decode().split())
            is_assignment = operator.endswith('=') and operator[:-1] in '+ - * / // % ** & | ^'
            bare = operator[:-1] if is_assignment else operator
            if bare in _SWAPPED_OPERATORS:
                new = _SWAPPED_OPERATORS[bare] + '=' * is_assignment
                self._add(start + match.start(), start + match.end(), new)

    def _replace(self, node: ast.stmt | ast.expr, new: str) -> None:
        self._add(self._offset(node), self._end(node), new)

    def _add(self, start: int, end: int, new: str) -> None:
        edit = (start, end, new)
        self.found.append((edit, '.'.join(self._names), self._function_line))

    def _offset(self, node: ast.stmt | ast.expr) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.stmt | ast.expr) -> int:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self._starts[node.end_lineno - 1] + node.end_col_offset
