"""A joint run in a file: the problem, the plan and what proves it.

Gzipped JSON, arrays as lists and stock sparse: with the file anybody can check the
run with `router.optimize.batch.proof.certificate.verify`, and needs nothing else.
"""

import gzip
import json
import zlib
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np

from availability.model import IntArray
from router.optimize.batch.problem import BatchPlan, BatchProblem
from router.optimize.batch.proof.certificate import (
    Certificate,
    CertificateError,
    LevelValue,
    verify,
)

_PACKED = b"\x1f\x8b"
"""What a gzipped file begins with."""
VERSION = 1
"""Of the file's form."""
MAX_BYTES = 2**30
"""Most bytes of a file, unpacked."""
MAX_CELLS = 2**28
"""Most (SKU, location) pairs: 2 GiB of them."""

_PLANS = ("frozen", "incumbent")


class Saved(NamedTuple):
    """What a file holds."""

    problem: BatchProblem
    certificate: Certificate

    def to_bytes(self) -> bytes:
        """Return the file; the same run gives the same bytes."""
        document = {
            "repartir": "joint run",
            "version": VERSION,
            "problem": _problem_to_json(self.problem),
            "certificate": self.certificate.to_json(),
        }
        text = json.dumps(document, separators=(",", ":"), sort_keys=True)
        return gzip.compress(text.encode(), 6, mtime=0)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Saved":
        """Return what `to_bytes` wrote, unpacked or not.

        Raises
        ------
        CertificateError
            It is none, or was damaged.
        """
        try:
            text = _unpacked(data) if data.startswith(_PACKED) else data
            if len(text) > MAX_BYTES:
                raise CertificateError("the file is too large")
            document = json.loads(text)
        except (zlib.error, ValueError, RecursionError) as error:
            raise CertificateError(f"not a saved run: {error}") from error
        if not isinstance(document, dict) or document.get("repartir") != "joint run":
            raise CertificateError("not a saved run")
        if document.get("version") != VERSION:
            raise CertificateError(f"a saved run of another version, not {VERSION}")
        try:
            problem = _problem_from_json(document["problem"])
            certificate = Certificate.from_json(document["certificate"])
        except CertificateError:
            raise
        except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
            raise CertificateError(f"not a saved run: {error}") from error
        return cls(problem, certificate)

    def verify(self) -> tuple[LevelValue, ...]:
        """Return each level's value and bound, found again; see `verify`.

        Raises
        ------
        CertificateError
            The plan breaks a limit, or a claim is better than what is found.
        """
        return verify(self.problem, self.certificate)


def _unpacked(data: bytes) -> bytes:
    """Return at most one byte more than may be, however much is packed in it."""
    unpacking = zlib.decompressobj(wbits=31)
    text = unpacking.decompress(data, MAX_BYTES + 1)
    if not unpacking.eof and len(text) <= MAX_BYTES:
        raise CertificateError("the file is cut off")
    return text


def _problem_to_json(problem: BatchProblem) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for each in fields(problem):
        value = getattr(problem, each.name)
        if each.name == "stock":
            at = np.argwhere(value > 0)
            document["shape"] = list(value.shape)
            document["stock"] = [at[:, 0], at[:, 1], value[at[:, 0], at[:, 1]]]
            document["stock"] = [column.tolist() for column in document["stock"]]
        elif each.name in _PLANS:
            document[each.name] = [column.tolist() for column in value]
        elif each.name == "allowed" and value is not None:
            document[each.name] = value.astype(int).tolist()
        else:
            document[each.name] = (
                value.tolist() if isinstance(value, np.ndarray) else value
            )
    return document


def _problem_from_json(document: dict[str, Any]) -> BatchProblem:
    skus, locations = document.pop("shape")
    if not 0 <= skus * locations <= MAX_CELLS or min(skus, locations) < 0:
        raise CertificateError("the stock is too large")
    row, column, units = map(_numbers, document.pop("stock"))
    stock = np.zeros((skus, locations), dtype=np.int64)
    if len(row) and (min(row.min(), column.min()) < 0):
        raise CertificateError("stock of no SKU or location")
    stock[row, column] = units
    values: dict[str, Any] = {"stock": stock}
    known = {each.name for each in fields(BatchProblem)} - {"stock"}
    if set(document) != known:
        raise CertificateError(f"unknown or missing: {sorted(set(document) ^ known)}")
    for name, value in document.items():
        if name in _PLANS:
            values[name] = BatchPlan(*map(_numbers, value))
        elif name == "allowed" and value is not None:
            values[name] = _numbers(value).astype(bool)
        elif isinstance(value, list):
            values[name] = _numbers(value)
        else:
            if value is not None and type(value) is not int:
                raise CertificateError(f"{name} is no whole number")
            values[name] = value
    return BatchProblem(**values)


def _numbers(values: list[Any]) -> IntArray:
    found = np.array(values)
    if found.size and found.dtype.kind != "i":
        raise CertificateError("numbers are not whole")
    return found.astype(np.int64)
