"""What an evaluation has to reach, and JUnit XML of it, as continuous integration reads it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from ssd_detector_ros.bag_evaluation.scoring.scoring import Evaluation


@dataclass(frozen=True)
class Gate:
    """
    One figure that has a limit.

    :param name: of the option
    :param value: what was reached; None where nothing was measured, which is not enough
    :param limit: given
    :param is_lowest: whether the value may not be lower; else not higher
    """

    name: str
    value: float | None
    limit: float
    is_lowest: bool

    @property
    def is_passed(self) -> bool:
        """Whether it is good enough."""
        if self.value is None:
            return False
        return self.value >= self.limit if self.is_lowest else self.value <= self.limit

    @property
    def text(self) -> str:
        """Say what was reached and what is asked for."""
        value = 'nothing was measured' if self.value is None else f'{self.value:.4g}'
        return (
            f'{self.name}: {value}; {"at least" if self.is_lowest else "at most"} {self.limit:g}'
        )


@dataclass(frozen=True)
class Limits:
    """
    What is asked for; None asks for nothing.

    :param min_map: lowest mAP over all annotated frames
    :param min_sap: lowest streaming AP
    :param max_latency_ms: highest p95 from image to detections
    :param max_drop_rate: highest share of frames without an answer
    """

    min_map: float | None = None
    min_sap: float | None = None
    max_latency_ms: float | None = None
    max_drop_rate: float | None = None


def check_gates(evaluation: Evaluation, limits: Limits) -> list[Gate]:
    """
    Hold an evaluation against its limits.

    :param evaluation: what was found
    :param limits: what is asked for
    :return: one for each limit that was given
    """
    streaming = evaluation.streaming
    rows = (
        ('min_map', evaluation.mean_ap, limits.min_map, True),
        ('min_sap', streaming.sap if streaming else None, limits.min_sap, True),
        ('max_latency_ms', _latency_ms(evaluation), limits.max_latency_ms, False),
        ('max_drop_rate', drop_rate(evaluation), limits.max_drop_rate, False),
    )
    return [
        Gate(name, value, limit, is_lowest)
        for name, value, limit, is_lowest in rows
        if limit is not None
    ]


def drop_rate(evaluation: Evaluation) -> float | None:
    """
    Give the share of frames that nobody answered.

    :param evaluation: what was found
    :return: in [0, 1]; None without frames
    """
    num_frames = len(evaluation.frames)
    return 1 - len(evaluation.detections) / num_frames if num_frames else None


def write_junit(gates: Sequence[Gate], evaluation: Evaluation, path: Path) -> None:
    """
    Write each gate as a test case; one stands for the run itself.

    :param gates: from check_gates
    :param evaluation: what was found
    :param path: the file
    """
    failures = [gate for gate in gates if not gate.is_passed]
    suite = ElementTree.Element(
        'testsuite',
        name='evaluate_bag',
        tests=str(len(gates) + 1),
        failures=str(len(failures)),
        errors='0',
        time=f'{evaluation.wall_s:.3f}',
    )
    ElementTree.SubElement(suite, 'testcase', classname='evaluate_bag', name=evaluation.mode)
    for gate in gates:
        case = ElementTree.SubElement(suite, 'testcase', classname='gates', name=gate.name)
        if not gate.is_passed:
            ElementTree.SubElement(case, 'failure', message=gate.text).text = gate.text
    ElementTree.indent(suite)
    ElementTree.ElementTree(suite).write(path, encoding='utf-8', xml_declaration=True)


def _latency_ms(evaluation: Evaluation) -> float | None:
    if evaluation.answer_ms is not None:
        return evaluation.answer_ms.p95_ms
    if not evaluation.stage_ms:
        return None
    return sum(latency.p95_ms for latency in evaluation.stage_ms.values())
