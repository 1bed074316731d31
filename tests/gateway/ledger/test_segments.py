import pytest

from gateway.ledger.contract import LedgerConflict, LedgerFull
from gateway.ledger.segments import Place, Segments, numbers, read

FAR = Place(10**9, 0)


@pytest.fixture
def opened(tmp_path):
    segments = Segments(tmp_path / "journal", segment_bytes=64, limit_bytes=10_000)
    segments.open()
    yield segments
    segments.close()


def everything(segments):
    return read(segments.directory, Place(0, 0), FAR, 1000)[0]


def newest(segments):
    return max(segments.directory.glob("*.journal"))


def test_records_are_read_in_the_order_they_were_appended(opened):
    for number in range(20):
        opened.append([b"record %d" % number])
    assert everything(opened) == [b"record %d" % number for number in range(20)]


def test_reading_goes_on_where_it_stopped(opened):
    end = opened.append([b"one", b"two", b"three"])
    first, place = read(opened.directory, Place(0, 0), end, 2)
    rest, _ = read(opened.directory, place, end, 2)
    assert (first, rest) == ([b"one", b"two"], [b"three"])


def test_what_is_not_yet_durable_is_not_read(opened):
    durable = opened.append([b"one"])
    opened.append([b"two"])
    assert read(opened.directory, Place(0, 0), durable, 10) == ([b"one"], durable)


def test_a_full_segment_is_followed_by_another(opened):
    for _ in range(10):
        opened.append([b"x" * 30])
    assert len(numbers(opened.directory)) == 5


def test_segments_that_the_database_has_are_deleted(opened):
    for _ in range(10):
        end = opened.append([b"x" * 30])
    opened.delete_before(end.segment)
    assert numbers(opened.directory) == [end.segment]
    assert opened.size_bytes == newest(opened).stat().st_size


def test_a_torn_tail_is_passed_over(opened):
    opened.append([b"one", b"two"])
    whole = newest(opened).read_bytes()
    newest(opened).write_bytes(whole[:-3])
    assert everything(opened) == [b"one"]


def test_damage_in_the_middle_costs_the_record_it_touches(opened):
    opened.append([b"one", b"two", b"three"])
    newest(opened).write_bytes(newest(opened).read_bytes().replace(b"two", b"t\0o"))
    assert everything(opened) == [b"one", None, b"three"]


def test_a_new_process_never_appends_to_a_tail_that_may_be_torn(opened):
    opened.append([b"one"])
    opened.close()
    again = Segments(opened.directory, segment_bytes=64, limit_bytes=10_000)
    again.open()
    again.append([b"two"])
    again.close()
    assert len(numbers(opened.directory)) == 2
    assert everything(opened) == [b"one", b"two"]


def test_a_directory_belongs_to_one_process(opened):
    with pytest.raises(LedgerConflict, match="belongs to a process that is running"):
        Segments(opened.directory, segment_bytes=64, limit_bytes=100).open()


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(LedgerFull, match="file/journal"):
        Segments(tmp_path / "file" / "journal", segment_bytes=64, limit_bytes=100).open()


def test_a_deleted_directory_is_made_again_and_the_record_kept(opened):
    opened.append([b"one"])
    for path in opened.directory.iterdir():
        path.unlink()
    opened.directory.rmdir()
    opened.append([b"two"])
    assert everything(opened) == [b"two"]


def test_a_directory_that_became_a_file_is_full_until_it_is_one_again(opened):
    opened.append([b"one"])
    moved = opened.directory.rename(opened.directory.with_name("elsewhere"))
    opened.rotate()
    opened.directory.touch()
    for _ in range(3):
        with pytest.raises(LedgerFull):
            opened.append([b"two"])
    opened.directory.unlink()
    moved.rename(opened.directory)
    opened.append([b"three"])
    assert everything(opened) == [b"one", b"three"]


def test_a_journal_keeps_to_its_limit_and_takes_records_again_once_there_is_room(tmp_path):
    segments = Segments(tmp_path, segment_bytes=64, limit_bytes=200)
    segments.open()
    ends = [segments.append([b"x" * 30]) for _ in range(4)]
    with pytest.raises(LedgerFull, match="the database has not taken"):
        segments.append([b"x" * 30])
    segments.delete_before(ends[-1].segment)
    segments.append([b"room"])
    assert everything(segments)[-1] == b"room"
    segments.close()
