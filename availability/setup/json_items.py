"""Items of a setup as JSON, strictly: the names of files, of the store and of diffs.

The validation is pydantic's, of the very classes: what it refuses is told field by
field. What an item means together with others is `availability.setup.checks`.
"""

import json
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from availability.errors import InvalidChange, Violation
from availability.model import Location
from availability.setup.channels import Allocation, Channel, FutureSupply
from availability.setup.kits import Component
from availability.setup.settings import Settings

ValueT = TypeVar("ValueT")


class Documents(Generic[ValueT]):
    """One kind of item, to and from JSON. What has its default is left out."""

    def __init__(self, kind: Any) -> None:
        self._adapter: TypeAdapter[ValueT] = TypeAdapter(kind)

    def write(self, value: ValueT) -> str:
        """Return the JSON text of an item; the same text for the same item."""
        return json.dumps(self.value(value), ensure_ascii=False)

    def value(self, value: ValueT) -> Any:
        """Return an item as what JSON is made of; sets of names are sorted."""
        plain = self._adapter.dump_python(value, mode="json", exclude_defaults=True)
        return _sorted(plain)

    def read(self, text: str | bytes) -> ValueT:
        """Return the item of a text that `write` made."""
        return self._adapter.validate_json(text)

    def judge(self, text: str | bytes, path: str) -> ValueT:
        """Return the item of a JSON document.

        Raises
        ------
        InvalidChange
            Fields that are not known, or values of another type or out of their
            range: every one, with its path below ``path``.
        """
        try:
            return self._adapter.validate_json(text, strict=True, extra="forbid")
        except ValidationError as error:
            violations = [_violation(path, each) for each in error.errors()]
            raise InvalidChange(violations) from None


def _sorted(plain: Any) -> Any:
    """Return JSON values with lists of names in order: all of them were sets."""
    if isinstance(plain, dict):
        return {name: _sorted(value) for name, value in plain.items()}
    if isinstance(plain, list):
        if all(isinstance(each, str) for each in plain):
            return sorted(plain)
        return [_sorted(each) for each in plain]
    return plain


def _violation(path: str, error: Mapping[str, Any]) -> Violation:
    for step in error["loc"]:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{step}" if path else str(step)
    unknown = error["type"] == "unexpected_keyword_argument"
    reason = "UNKNOWN_FIELD" if unknown else "INVALID"
    message = "is not a known field" if unknown else error["msg"]
    return Violation(path, reason, message)


CHANNEL: Documents[Channel] = Documents(Channel)
SETTINGS: Documents[Settings] = Documents(Settings)
ALLOCATION: Documents[Allocation] = Documents(Allocation)
KIT: Documents[tuple[Component, ...]] = Documents(tuple[Component, ...])
SUPPLY: Documents[FutureSupply] = Documents(FutureSupply)
LOCATION: Documents[Location] = Documents(Location)
