"""A shelf of several processes: one log of records in memory, which each of them applies in the log's order."""

from __future__ import annotations

import marshal
import os
import struct

from bench.sink.shelf import OK, Outcome, Record, Shelf

HEAD = struct.Struct("<IQ")  # length of the record, who wrote it


class SharedShelf(Shelf):
    """A shelf whose records go through a memory file that was made before the fork.

    An append is atomic, so that the log has one order, and a precondition is judged where its record stands in it:
    every process comes to the same outcome, and the one that asked finds its own.
    """

    def __init__(self) -> None:
        super().__init__()
        self._log = os.memfd_create("sink-log")
        self._append = os.open(f"/proc/self/fd/{self._log}", os.O_WRONLY | os.O_APPEND)
        self._read = 0
        self._rest = b""
        self._sent = 0
        self._mine = 0

    def forked(self, number: int) -> None:
        """To be called in each process, with a number of its own."""
        self._mine = number << 48

    def submit(self, record: Record) -> Outcome:
        self._sent += 1
        mark = self._mine | self._sent
        packed = marshal.dumps(record)
        os.write(self._append, HEAD.pack(len(packed), mark) + packed)
        return self._applied(mark)

    def catch_up(self) -> None:
        if os.fstat(self._log).st_size > self._read:
            self._applied(-1)

    def _applied(self, mark: int) -> Outcome:
        """Apply what is new, and give the outcome of the record of that mark."""
        mine = OK
        while fresh := os.pread(self._log, 1 << 20, self._read):
            self._read += len(fresh)
            log, at = self._rest + fresh, 0
            while at + HEAD.size <= len(log):
                length, its = HEAD.unpack_from(log, at)
                end = at + HEAD.size + length
                if end > len(log):  # somebody is just writing it
                    break
                outcome = self.apply(marshal.loads(log[at + HEAD.size : end]))
                if its == mark:
                    mine = outcome
                at = end
            self._rest = log[at:]
        return mine
