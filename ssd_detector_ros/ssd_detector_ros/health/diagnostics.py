"""How the node is doing, in words that say what to do; published on /diagnostics."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from ssd_detector_ros.timing.statistics import Report

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
# Frames that came too early for the detector; fewer are no trend.
MAX_LATE_SHARE = 0.1
# Between computers with synchronized clocks stamps differ by far less.
MAX_CLOCK_OFFSET_MS = 3_600_000.0
# On one computer images arrive within milliseconds, over a network within some hundred.
MAX_AGE_ON_ARRIVAL_MS = 1000.0
_NO_CLOCK = (
    'use_sim_time is set, but no time has come on /clock; start the simulation, play the bag with '
    '--clock, or set use_sim_time to false'
)


@dataclass(frozen=True)
class Verdict:
    """
    A level and a text.

    :param level: of diagnostic_msgs/DiagnosticStatus
    :param message: what is so, and what to do
    :param values: figures
    """

    level: bytes
    message: str
    values: Mapping[str, object] = field(default_factory=dict)

    def to_status(self, name: str, hardware_id: str) -> DiagnosticStatus:
        """
        Build the message.

        :param name: of the part
        :param hardware_id: the computer
        :return: the message
        """
        return DiagnosticStatus(
            level=self.level,
            name=name,
            hardware_id=hardware_id,
            message=self.message,
            values=[KeyValue(key=key, value=str(value)) for key, value in self.values.items()],
        )


def judge_speed(report: Report, *, lacks_clock: bool = False) -> Verdict:
    """
    Compare the detector with its cameras.

    :param report: of the last period
    :param lacks_clock: use_sim_time is set, and no time has come yet
    :return: the verdict
    """
    values: dict[str, object] = {
        'received, Hz': f'{report.received_rate_hz:.1f}',
        'processed, Hz': f'{report.processed_rate_hz:.1f}',
        **{f'dropped: {reason}': count for reason, count in report.drops.items()},
    }
    if 'total' in report.latencies_ms:
        values['latency p50, ms'] = f'{report.latencies_ms["total"][0]:.1f}'
        values['inference p50, ms'] = f'{report.latencies_ms["infer"][0]:.1f}'
    if report.frames_per_inference:
        values['frames per inference'] = f'{report.frames_per_inference:.2f}'
    if report.ages_ms:
        values['age at publication p50, ms'] = f'{report.ages_ms["publish"][0]:.1f}'
    if report.received_rate_hz == 0:
        return Verdict(OK, f'no image came in the last {report.period_s:.1f} s', values)
    stamps = _NO_CLOCK if lacks_clock else _judge_stamps(report)
    rate = _judge_rate(report)
    if findings := [finding for finding in (stamps, rate) if finding]:
        return Verdict(WARN, '; '.join(findings), values)
    if report.processed_rate_hz == 0:
        reasons = ', '.join(f'{reason} {n}' for reason, n in report.period_drops.items())
        return Verdict(OK, f'no image was processed; dropped: {reasons or "none"}', values)
    return Verdict(OK, 'keeps up with the camera', values)


def _judge_stamps(report: Report) -> str:
    """Say what is wrong before a frame arrives: no detector would be fast enough."""
    age_ms = report.ages_ms['receive'][0] if report.ages_ms else report.too_old_ms or 0.0
    if age_ms < -1e3 or age_ms > MAX_CLOCK_OFFSET_MS:
        return (
            f'stamps of the images are {age_ms / 1e3:.0f} s old by the clock of this node; '
            f'set use_sim_time for a bag or simulation, or synchronize clocks (chrony)'
        )
    dropped = ''
    if _is_many(report.num_late_arrivals, report):
        age_ms = report.too_old_ms or 0.0
        dropped = f', {report.num_late_arrivals} of them older than max_age_ms and dropped'
    if not dropped and age_ms < MAX_AGE_ON_ARRIVAL_MS:
        return ''
    return (
        f'images are {age_ms / 1e3:.1f} s old when they arrive{dropped}: by their stamps the '
        f'driver, its queue or the network holds them back, or clocks differ; shorten the queue, '
        f'send fewer or compressed images, synchronize clocks (chrony), or set use_sim_time for '
        f'a bag'
    )


def _judge_rate(report: Report) -> str:
    drops = report.period_drops
    num_late = sum(drops.get(reason, 0) for reason in ('superseded', 'queue_full', 'too_old'))
    if not _is_many(num_late - report.num_late_arrivals, report):
        return ''
    return (
        f'slower than the camera: {report.processed_rate_hz:.1f} of '
        f'{report.received_rate_hz:.1f} Hz are processed; lower the rate of the camera or '
        f'max_rate_hz, take an INT8 model, or give it more num_threads'
    )


def _is_many(num_frames: int, report: Report) -> bool:
    return num_frames > MAX_LATE_SHARE * report.received_rate_hz * report.period_s
