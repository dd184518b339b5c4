"""Conditions of actions."""

from typing import Any

from ._engine import Condition, LaunchContext, perform

TRUE, FALSE = ('true', '1'), ('false', '0')


def evaluate_condition_expression(context: LaunchContext, expression: Any) -> bool:
    text = perform(context, expression).strip().lower()
    if text not in TRUE + FALSE:
        raise ValueError(f"condition: expected one of {TRUE + FALSE}, got '{text}'")
    return text in TRUE


class IfCondition(Condition):
    def __init__(self, predicate_expression: Any) -> None:
        super().__init__(
            lambda context: evaluate_condition_expression(context, predicate_expression)
        )


class UnlessCondition(Condition):
    def __init__(self, predicate_expression: Any) -> None:
        super().__init__(
            lambda context: not evaluate_condition_expression(context, predicate_expression)
        )
