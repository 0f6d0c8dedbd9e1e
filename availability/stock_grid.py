"""Stock of some SKUs at some locations, as arrays."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from availability.model import MAX_SECONDS, IntArray, Network, SecondsArray


class StockGrid:
    """Available units in memory: one row a SKU, one column a location.

    Beside them, when each was counted, in seconds since the epoch (0: there is no
    count). Columns are in the network's rank order. Rows are found by ``rows[sku]``.
    The ledger's owner keeps it in step; a reader may see it a moment late, which
    can cost a conflict, never an oversell.
    """

    __slots__ = ("_counted", "_units", "network", "rows", "version")

    def __init__(self, network: Network, version: int = 0) -> None:
        self.network = network
        self.version = version
        self.rows: dict[str, int] = {}
        self._units: IntArray = np.zeros((16, len(network.locations)), np.int64)
        self._counted: SecondsArray = np.zeros(self._units.shape, np.int32)

    @property
    def nbytes(self) -> int:
        """Bytes of all cells, the room kept for new SKUs included."""
        return self._units.nbytes + self._counted.nbytes

    def set(
        self, sku: str, column: int, units: int, counted_seconds: int | None = None
    ) -> None:
        """Set the available units of one SKU at one location.

        ``counted_seconds`` None leaves when it was counted as it was: 0 if it never
        was. What is beyond `MAX_SECONDS` is taken for that.
        """
        row = self.rows.get(sku)
        if row is None:
            row = len(self.rows)
            if row == len(self._units):
                # Doubling keeps the cost of a new SKU constant on average.
                self._units = np.concatenate([self._units, np.zeros_like(self._units)])
                more = np.zeros_like(self._counted)
                self._counted = np.concatenate([self._counted, more])
            self.rows[sku] = row
        self._units[row, column] = units
        if counted_seconds is not None:
            self._counted[row, column] = min(counted_seconds, MAX_SECONDS)

    def take(self, sku: str, column: int, units: int) -> None:
        """Lower the available units of a SKU that has a row."""
        self._units[self.rows[sku], column] -= units

    def read(self, rows: Sequence[int] | npt.NDArray[np.intp]) -> IntArray:
        """Copy the rows of some SKUs: shape (len(rows), locations), in units."""
        return self._units.take(rows, axis=0)

    def read_counted(self, rows: Sequence[int] | npt.NDArray[np.intp]) -> SecondsArray:
        """Copy when some SKUs were counted: as `read`, in seconds, 0 if never."""
        return self._counted.take(rows, axis=0)
