from typing import Any

import pytest

from benchmarks.batch.generator import COVER
from benchmarks.batch.instances import CHECKSUMS, RESULTS, all_names, problem_of, stored
from benchmarks.batch.store import better


@pytest.mark.parametrize("name", sorted(stored(RESULTS)))
def test_nothing_stored_is_better_than_its_bound(name: str) -> None:
    said = stored(RESULTS)[name]
    primal, bound = said["primal"]["shipments"], said["bound"]["shipments"]
    # Every order ships at least once, and answering one by one is never better.
    assert said["orders"] <= bound <= primal <= said["order_by_order"]
    assert name in stored(CHECKSUMS)
    for found in (said["primal"], said["bound"]):
        assert found["engine"]
        assert found["commit"]
        assert found["cpu_seconds"] > 0


def test_results_are_stored_of_each_regime() -> None:
    regimes = {name.split("-")[0] for name in stored(RESULTS)}
    assert regimes >= set(COVER)


def test_every_instance_has_a_checksum() -> None:
    assert stored(CHECKSUMS).keys() == set(all_names())


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="tight-10k-9"):
        problem_of("tight-10k-9")


def _found(shipments: int, commit: str = "new") -> dict[str, Any]:
    return {"shipments": shipments, "commit": commit}


def test_only_what_is_better_is_kept() -> None:
    known = {"primal": _found(10, "old"), "bound": _found(7, "old"), "orders": 5}
    assert better(known, _found(10), _found(7)) == known
    assert better(known, _found(11), _found(6)) == known
    assert better(known, _found(9), _found(6)) == {**known, "primal": _found(9)}
    assert better(known, _found(11), _found(8)) == {**known, "bound": _found(8)}
    assert better({}, _found(9), _found(8)) == {
        "primal": _found(9),
        "bound": _found(8),
    }
