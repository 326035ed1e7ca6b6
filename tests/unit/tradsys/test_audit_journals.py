"""A stage that left an input out, or applied one twice, is found by its journal."""

from collections.abc import Iterator
from itertools import islice

import msgspec
import pytest

from schemas.messages import InputRange, JournalEntry
from tradsys.audit.contents import Contents
from tradsys.audit.journals import journals_rule
from tradsys.demo.flow import synthetic
from tradsys.demo.memory import MemoryVenue
from workers.kernel.stage import Record

JOURNAL = "risk.journal"


@pytest.fixture(scope="module")
def venue() -> MemoryVenue:
    venue = MemoryVenue(shards=2)
    for _ in venue.trade(islice(synthetic(3), 600)):
        pass
    return venue


def entries(venue: MemoryVenue) -> list[tuple[Record, JournalEntry]]:
    """The journals of risk."""
    decoded = [(record, venue.codec.decode(record.value or b"", "JournalEntry")) for record in venue.records(JOURNAL)]
    return [(record, entry) for record, entry in decoded if isinstance(entry, JournalEntry)]


def found(venue: MemoryVenue, journals: list[tuple[Record, JournalEntry]]) -> list[str]:
    """What the rule finds when these are the journals of risk."""

    def records(topic: str) -> Iterator[Record]:
        if topic == JOURNAL:
            return (msgspec.structs.replace(record, value=venue.codec.encode(entry)) for record, entry in journals)
        return venue.records(topic)

    rule = journals_rule(records, venue.codec)
    return [f"{finding.where}: {finding.detail}" for finding in rule.check(Contents())]


def with_commands(venue: MemoryVenue, first: int, last: int) -> list[tuple[Record, JournalEntry]]:
    """The journals, their second range of commands in shard 1 moved by so much at its ends."""
    journals, seen = entries(venue), 0
    for place, (record, entry) in enumerate(journals):
        for number, span in enumerate(entry.ranges):
            if (span.topic, record.partition) == ("commands", 1):
                seen += 1
                if seen == 2:
                    ranges = list(entry.ranges)
                    ranges[number] = InputRange(topic="commands", first=span.first + first, last=span.last + last)
                    journals[place] = record, msgspec.structs.replace(entry, ranges=tuple(ranges))
                    return journals
    raise AssertionError


def test_the_journals_of_a_good_log_name_all_inputs(venue: MemoryVenue) -> None:
    assert found(venue, entries(venue)) == []


def test_a_record_that_was_passed_over_is_found(venue: MemoryVenue) -> None:
    (finding,) = found(venue, with_commands(venue, first=1, last=0))
    assert finding.startswith("commands/1/")
    assert finding.endswith("risk has passed it over")


def test_a_record_that_was_applied_twice_is_found(venue: MemoryVenue) -> None:
    (finding,) = found(venue, with_commands(venue, first=-1, last=0))
    assert finding.startswith("commands/1: risk applies ")


def test_an_entry_that_is_missing_is_found_with_what_it_applied(venue: MemoryVenue) -> None:
    journals = entries(venue)
    gone = next(place for place, (record, _) in enumerate(journals) if record.partition == 1) + 3
    del journals[gone]
    findings = found(venue, journals)
    assert "risk shard 1: entry 5 where 4 was due" in findings
    assert any(finding.endswith("risk has passed it over") for finding in findings)
