"""The combiner: who leads, who waits, and who gets which error."""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from availability.ledger.group_commit import Combiner


class Failed(Exception):
    pass


class Store:
    """Commits numbers as their squares; every group is noted."""

    def __init__(self, limit: int = 4) -> None:
        self.lock = threading.Lock()
        self.groups: list[list[int]] = []
        self.locked_out = False
        self.combiner: Combiner[int, int] = Combiner(
            self.exclusive, self.commit, lambda error: Failed(str(error)), limit
        )

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        if self.locked_out:
            raise RuntimeError("locked out")
        with self.lock:
            yield

    def commit(self, items: Sequence[int]) -> list[int]:
        self.groups.append(list(items))
        if 13 in items:
            raise RuntimeError("unlucky")
        if 99 in items:
            raise KeyboardInterrupt
        return [item * item for item in items]

    def wait_for(self, count: int) -> None:
        """Wait until so many items are queued."""
        for _ in range(10_000):
            if len(self.combiner._queue) == count:
                return
            threading.Event().wait(0.001)
        raise AssertionError("never queued")


def test_alone() -> None:
    store = Store()

    assert [store.combiner.submit(n) for n in range(3)] == [0, 1, 4]
    assert store.groups == [[0], [1], [2]]


def test_those_who_wait_share_a_commit_up_to_the_limit() -> None:
    store = Store(limit=4)
    with ThreadPoolExecutor(10) as pool:
        with store.lock:
            jobs = [pool.submit(store.combiner.submit, n) for n in range(10)]
            store.wait_for(10)
        assert [job.result() for job in jobs] == [n * n for n in range(10)]
    assert [len(group) for group in store.groups] == [4, 4, 2]
    assert sorted(n for group in store.groups for n in group) == list(range(10))


def test_an_error_is_everyones_in_the_group_and_only_theirs() -> None:
    store = Store(limit=2)
    with ThreadPoolExecutor(4) as pool:
        with store.lock:
            jobs = []
            for n in (1, 13, 3, 4):
                jobs.append(pool.submit(store.combiner.submit, n))
                store.wait_for(len(jobs))
        errors = [job.exception() for job in jobs]
    assert [str(error) for error in errors[:2]] == ["unlucky", "unlucky"]
    assert errors[0] is not errors[1]  # a traceback has one thread
    assert errors[2:] == [None, None]
    assert store.combiner.submit(5) == 25


def test_a_lock_that_can_not_be_had_fails_those_who_wait() -> None:
    store = Store()
    store.locked_out = True
    with pytest.raises(Failed, match="locked out"):
        store.combiner.submit(1)
    store.locked_out = False

    assert store.combiner.submit(2) == 4
    assert store.groups == [[2]]


def test_an_interrupted_leader_lets_nobody_hang() -> None:
    store = Store()
    with ThreadPoolExecutor(2) as pool:
        with store.lock:
            leader = pool.submit(store.combiner.submit, 99)
            store.wait_for(1)
            follower = pool.submit(store.combiner.submit, 2)
            store.wait_for(2)
        assert isinstance(leader.exception(), KeyboardInterrupt)
        assert isinstance(follower.exception(), Failed)
    assert store.combiner.submit(3) == 9


def test_many_threads() -> None:
    store = Store(limit=3)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(store.combiner.submit, range(100, 2_000)))

    assert found == [n * n for n in range(100, 2_000)]
    assert max(map(len, store.groups)) <= 3
