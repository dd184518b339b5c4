"""Takes images from the middleware on a thread of its own, with a wait set of its own."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from threading import current_thread, Event, Thread
from typing import Any

from rclpy import _rclpy_pybind11
from rclpy.context import Context
from rclpy.guard_condition import GuardCondition
from rclpy.subscription import Subscription

# Only for a context that ends without a word; everything else wakes the thread.
_LONGEST_WAIT_NS = 500_000_000


class Receiver:
    """
    Waits for the messages of subscriptions and calls their callbacks, until stop().

    rclpy's executor prepares every entity of the node anew for each image, and holds the
    interpreter's lock meanwhile: half of what an image costs the node beside the detector.

    :param context: of the node
    :param subscriptions: of a PolledGroup; not destroyed before stop()
    :param on_failure: called from the thread with the exception that ended it: a bug
    """

    def __init__(
        self,
        context: Context,
        subscriptions: Sequence[Subscription],
        *,
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._context = context
        self._subscriptions = tuple(subscriptions)
        self._on_failure = on_failure
        self._is_stopped = Event()
        self._waker = _make_waker(context)
        self._thread = Thread(target=self._run, name='ssd_detector_receiver', daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Call no callback any more; one that is being called is waited for."""
        self._is_stopped.set()
        self._waker.trigger()
        # From Kilted on a shutdown destroys the node at once, also one that a failure asks for.
        if current_thread() is not self._thread:
            self._thread.join()
        self._waker.destroy()

    def _run(self) -> None:
        try:
            with ExitStack() as in_use:
                # Whatever is destroyed meanwhile stays until the thread lets go of it.
                entities: tuple[Any, ...] = (*self._subscriptions, self._waker, self._context)
                for entity in entities:
                    in_use.enter_context(entity.handle)
                self._receive()
        # A thread that dies in silence would leave a node that looks alive and answers nothing.
        except Exception as error:  # noqa: BLE001
            self._on_failure(error)

    def _receive(self) -> None:
        wait_set = _make_wait_set(self._context, len(self._subscriptions))
        # Not context.ok(), whose lock is held by who shuts down and may wait for this thread.
        context: Any = self._context.handle
        while not self._is_stopped.is_set() and context.ok():
            for subscription in _wait(
                wait_set, self._subscriptions, self._waker, timeout_ns=_LONGEST_WAIT_NS
            ):
                if self._is_stopped.is_set():
                    return
                taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
                if taken is not None:
                    subscription.callback(taken[0])


def find_obstacle(context: Context) -> str:
    """
    Try what a Receiver needs of rclpy, which only rclpy.wait_for_message uses in this way.

    :param context: of the node
    :return: why a Receiver can't work with this release of rclpy; empty when it can
    """
    waker = _make_waker(context)
    waker.trigger()
    try:
        with waker.handle:
            _wait(_make_wait_set(context, 0), (), waker, timeout_ns=0)
        getattr(_rclpy_pybind11.Subscription, 'take_message')  # noqa: B009
    except (AttributeError, TypeError) as error:
        return str(error).partition('\n')[0]
    finally:
        waker.destroy()
    return ''


def _make_waker(context: Context) -> GuardCondition:
    return GuardCondition(callback=None, callback_group=None, context=context)


def _make_wait_set(context: Context, num_subscriptions: int) -> Any:
    # Guard conditions, timers, clients, services, events.
    return _rclpy_pybind11.WaitSet(num_subscriptions, 1, 0, 0, 0, 0, context.handle)


def _wait(
    wait_set: Any, subscriptions: Sequence[Subscription], waker: GuardCondition, *, timeout_ns: int
) -> list[Subscription]:
    """Wait for a message, the waker or the timeout, and list the subscriptions with a message."""
    wait_set.clear_entities()
    for subscription in subscriptions:
        wait_set.add_subscription(subscription.handle)
    wait_set.add_guard_condition(waker.handle)
    wait_set.wait(timeout_ns)
    ready = wait_set.get_ready_entities('subscription')
    return [subscription for subscription in subscriptions if subscription.handle.pointer in ready]
