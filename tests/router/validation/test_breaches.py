"""Ids: what is one, and that a bad one is not kept."""

import pytest

from availability.model import MAX_ID_CHARACTERS
from router.validation.breaches import _is_short_id, is_id, is_id_cached


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", True),
        ("two words", True),
        ("é" * MAX_ID_CHARACTERS, True),
        ("", False),
        ("x" * (MAX_ID_CHARACTERS + 1), False),
        (" a", False),
        ("a ", False),
        ("a\nb", False),
    ],
)
def test_ids(value: str, expected: bool) -> None:
    assert (is_id(value), is_id_cached(value)) == (expected, expected)


def test_what_is_too_long_is_not_kept() -> None:
    """A few thousand requests with an id of megabytes must not fill the memory."""
    before = _is_short_id.cache_info().currsize

    found = {is_id_cached(f"{n}" + "x" * 1_000) for n in range(50)}

    assert found == {False}
    assert _is_short_id.cache_info().currsize == before
