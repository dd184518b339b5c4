"""The notice of a spot interruption, from a real HTTP server that speaks IMDSv2."""

import logging
import threading

import pytest

from ssd_training.errors import InterruptedRun
from ssd_training.runs import spot_notice
from ssd_training.runs.signals import stop_on_signals, StopRequest
from ssd_training.runs.spot_notice import watch_spot_notices
from tests.training.metadata_service import notice, run_metadata_service

WAIT_S = 30


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(spot_notice, '_PERIOD_S', 0.02)
    logging.getLogger('ssd_training').propagate = True


@pytest.fixture
def service():
    with run_metadata_service({}) as running:
        yield running


def variables(service):
    return {'AWS_EC2_METADATA_SERVICE_ENDPOINT': service.address}


def wait_until(condition):
    pause = threading.Event()
    for _ in range(int(WAIT_S / 0.02)):
        if condition():
            return
        pause.wait(0.02)
    raise AssertionError('it did not come')


def test_a_notice_asks_for_an_end_as_sigterm_does_and_says_what_it_was(service):
    with stop_on_signals() as stop, watch_spot_notices(stop, variables(service)):
        stop.defer()
        wait_until(
            lambda: service.asked.count(('/latest/meta-data/spot/instance-action', 404)) > 2
        )
        assert stop.signal is None
        service.items |= notice()
        wait_until(lambda: stop.signal is not None)

    assert stop.signal.name == 'SIGTERM'
    assert stop.reason == 'spot interruption notice (terminate at 2026-09-18T08:22:00Z)'


def test_a_notice_before_the_first_step_ends_the_start(service):
    service.items |= notice()

    with pytest.raises(InterruptedRun, match='spot interruption notice .*: nothing was') as caught:
        with stop_on_signals() as stop, watch_spot_notices(stop, variables(service)):
            threading.Event().wait(WAIT_S)

    assert caught.value.exit_code == 143
    assert caught.value.is_preemption


def test_a_token_that_has_run_out_is_asked_for_anew(service):
    with watch_spot_notices(StopRequest(), variables(service)):
        wait_until(lambda: len(service.asked) > 3)
        service.token = 'token-2'
        wait_until(
            lambda: (
                service.asked[-1][1] == 404
                and ('/latest/api/token', 200)
                in (service.asked[service.asked.index(('/latest/api/token', 200)) + 1 :])
            )
        )


def test_a_rebalance_recommendation_is_logged_once_and_ends_nothing(service, caplog):
    time = '{"noticeTime": "2026-09-18T08:20:00Z"}'
    service.items['events/recommendations/rebalance'] = time
    stop = StopRequest()

    with watch_spot_notices(stop, variables(service)):
        wait_until(lambda: sum(status == 404 for _, status in service.asked) > 5)

    assert stop.signal is None
    assert caplog.text.count('rebalance recommendation (2026-09-18T08:20:00Z)') == 1


# Nothing listens on port 1.
@pytest.mark.parametrize('address', ['http://127.0.0.1:1', 'no address'])
def test_a_service_that_does_not_answer_is_logged_once(caplog, address):
    variables = {'AWS_EC2_METADATA_SERVICE_ENDPOINT': address}

    with watch_spot_notices(StopRequest(), variables):
        wait_until(lambda: caplog.text)

    assert caplog.text.count(f'{address}: does not answer') == 1
    assert 'hop limit of 2' in caplog.text


@pytest.mark.parametrize('text', ['{"action": "\x1b[2J"}', '[]', 'x' * 10_000, '{"time": 1}'])
def test_a_notice_of_any_form_counts_and_is_shown_on_one_line(service, text):
    service.items['spot/instance-action'] = text

    with stop_on_signals() as stop:
        stop.defer()
        with watch_spot_notices(stop, variables(service)):
            wait_until(lambda: stop.signal is not None)

    assert stop.reason.startswith('spot interruption notice (')
    assert stop.reason.isprintable() and len(stop.reason) < 150


@pytest.mark.parametrize('disabled', [True, False])
def test_off_ec2_or_where_it_is_turned_off_nothing_is_asked(service, disabled):
    environment = variables(service) | {'AWS_EC2_METADATA_DISABLED': 'true'} if disabled else {}
    before = threading.active_count()

    with watch_spot_notices(StopRequest(), environment):
        assert threading.active_count() == before

    assert service.asked == []
