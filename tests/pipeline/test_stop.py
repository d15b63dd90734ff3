"""A request to stop: from a signal or from somebody else; raised where it is asked for, and nowhere else."""

from __future__ import annotations

import os
import signal

import pytest

from pipeline.stop import NEVER, Interrupted, Stop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_kept_until_it_is_asked_for(number: int) -> None:
    before = signal.getsignal(number)
    with Stop() as stop:
        stop.check()
        os.kill(os.getpid(), number)
        assert stop.wanted() and stop.signal == number
        with pytest.raises(Interrupted):
            stop.check(1 << 20)  # as what is called with the bytes read
    assert signal.getsignal(number) == before
    NEVER.check()


def test_another_one_may_ask_too() -> None:
    """As threads of which one has failed, beside the signal that all of them obey."""
    outer, failed = Stop(), [False]
    inner = Stop(lambda: failed[0] or outer.wanted())
    inner.check()
    failed[0] = True
    outer.check()
    with pytest.raises(Interrupted):
        inner.check()
    failed[0], outer.signal = False, signal.SIGINT
    with pytest.raises(Interrupted):
        inner.check()
