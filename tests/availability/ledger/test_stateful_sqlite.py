"""SQLite, in a file and in memory, does what the model does, whatever comes."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings

from availability.ledger.protocol import Ledger
from tests.availability.ledger.sqlite_file import check_file, open_sqlite
from tests.availability.ledger.stateful import SETTINGS, LedgerMachine
from tests.availability.ledger.world import Clock

MEMORY_DISK = Path("/dev/shm")
"""Crashes are played, so that what a sync costs need not be paid, where it can be."""


class MemoryMachine(LedgerMachine):
    """Nothing survives a crash here, so that none happens."""

    def open_ledger(self, clock: Clock) -> Ledger:
        return open_sqlite(None, clock)

    def crash_and_reopen(self) -> Ledger:
        return self.ledger


class FileMachine(LedgerMachine):
    """A crash leaves the file and its log as they lie on the disk."""

    def open_ledger(self, clock: Clock) -> Ledger:
        base = MEMORY_DISK if MEMORY_DISK.is_dir() else None
        self._folder = Path(tempfile.mkdtemp(dir=base))
        self._path = self._folder / "stock-0.db"
        return open_sqlite(self._path, clock)

    def crash_and_reopen(self) -> Ledger:
        before = self._path
        number = int(before.stem.rpartition("-")[2]) + 1
        self._path = before.with_name(f"stock-{number}.db")
        for end in ("", "-wal"):
            shutil.copy(f"{before}{end}", f"{self._path}{end}")
        self.ledger.close()
        return open_sqlite(self._path, self.clock)

    def teardown(self) -> None:
        super().teardown()
        if hasattr(self, "ledger"):
            check_file(self._path)
            shutil.rmtree(self._folder)


TestMemory = MemoryMachine.TestCase
TestMemory.settings = SETTINGS
TestFile = FileMachine.TestCase
TestFile.settings = settings(SETTINGS, max_examples=8)
