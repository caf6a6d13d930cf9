"""A listing is read as botocore reads it, or not at all."""

from __future__ import annotations

import datetime
import random
import string
from functools import cache
from typing import Any
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape

import botocore.session
import pytest
from botocore import parsers
from botocore.handlers import decode_list_object_v2
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.s3 import list_parse
from syncd.s3.facts import parse_etag
from syncd.s3.list_parse import Listed, NoListing, parse
from syncd.s3.wire.failure import Garbled

XMLNS = "http://s3.amazonaws.com/doc/2006-03-01/"


@cache
def shape() -> Any:
    return botocore.session.Session().get_service_model("s3").operation_model("ListObjectsV2").output_shape


def theirs(body: bytes) -> Listed:
    """The page as botocore and our own `facts` see it."""
    said = parsers.create_parser("rest-xml").parse({"status_code": 200, "headers": {}, "body": body}, shape())
    decode_list_object_v2(said, {"encoding_type_auto_set": True})
    rows = [
        (
            row["Key"],
            row["Size"],
            str(parse_etag(row["ETag"])),
            int(row["LastModified"].timestamp()) if "LastModified" in row else 0,
            row.get("StorageClass", ""),
        )
        for row in said.get("Contents", ())
    ]
    return Listed(rows, said["IsTruncated"], said.get("NextContinuationToken", ""))


def element(name: str, text: str) -> str:
    return f"<{name}>{escape(text, {chr(34): '&quot;'})}</{name}>"


def page(rows: str, *, truncated: str = "false", before: str = "", after: str = "", declared: bool = True) -> bytes:
    head = '<?xml version="1.0" encoding="UTF-8"?>\n' if declared else ""
    root = f'<ListBucketResult xmlns="{XMLNS}">'
    end = f"<IsTruncated>{truncated}</IsTruncated>{after}</ListBucketResult>"
    return f"{head}{root}<Name>b</Name>{before}{rows}{end}".encode()


KEY = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), min_size=1, max_size=40
)
EPOCH = datetime.datetime(1970, 1, 2)  # noqa: DTZ001  # hypothesis wants it so
TIMES = st.datetimes(min_value=EPOCH).map(
    lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
)
EXTRA = st.sampled_from(
    [
        "",
        "<Owner><ID>me</ID><DisplayName>me &amp; you</DisplayName></Owner>",
        "<ChecksumAlgorithm>CRC32</ChecksumAlgorithm><ChecksumAlgorithm>SHA256</ChecksumAlgorithm>",
        "<RestoreStatus><IsRestoreInProgress>false</IsRestoreInProgress></RestoreStatus>",
        "<Type>Normal</Type>",
        "<Owner/>",
        "<Owner><ID></ID></Owner>",
    ]
)


@st.composite
def pages(draw: st.DrawFn) -> bytes:
    """A listing as some store may write it: any order of fields, any quotes, with and without white space."""
    url, gap = draw(st.booleans()), draw(st.sampled_from(["", "", "\n  "]))
    order = draw(st.permutations(["Key", "LastModified", "ETag", "Size", "StorageClass", "extra"]))
    tag = draw(st.sampled_from(['"%s"', "%s", "&quot;%s&quot;", ' "%s" ']))
    extra, alike = draw(EXTRA), draw(st.booleans())
    rows = []
    for key in draw(st.lists(KEY, max_size=6)):
        extra = extra if alike else draw(EXTRA)
        fields = {
            "Key": element("Key", quote_plus(key, safe="/") if url else key),
            "LastModified": f"<LastModified>{draw(TIMES)}</LastModified>",
            "ETag": f"<ETag>{tag.replace('%s', f'{draw(st.integers(0, 2**128 - 1)):032x}')}</ETag>",
            "Size": f"<Size>{draw(st.integers(0, 5 * 2**40))}</Size>",
            "StorageClass": "<StorageClass>GLACIER</StorageClass>",
            "extra": extra,
        }
        rows.append(f"<Contents>{gap}{gap.join(fields[name] for name in order)}{gap}</Contents>{gap}")
    encoding = "<EncodingType>url</EncodingType>" if url else ""
    token = element("NextContinuationToken", draw(KEY)) if draw(st.booleans()) else ""
    told = draw(st.sampled_from(["true", "false"]))
    where = {"before": encoding + token} if draw(st.booleans()) else {"after": encoding + token}
    return page("".join(rows), truncated=told, declared=draw(st.booleans()), **where)


@settings(deadline=None)
@given(pages())
def test_a_listing_is_read_as_botocore_reads_it(body: bytes) -> None:
    assert parse(body) == theirs(body)


def usual(keys: list[str], *, url: bool, rest: str = "") -> bytes:
    rows = "".join(
        f"<Contents><Key>{quote(key, safe='/') if url else escape(key)}</Key>"
        f"<LastModified>2026-11-27T01:02:{n % 60:02d}.000Z</LastModified><ETag>&quot;{n:032x}&quot;</ETag>"
        f"<Size>{n}</Size>{rest}<StorageClass>STANDARD</StorageClass></Contents>"
        for n, key in enumerate(keys)
    )
    return page(rows, truncated="true", after="<EncodingType>url</EncodingType>" if url else "")


def test_thousands_of_seeded_keys_are_read_as_botocore_reads_them() -> None:
    rng = random.Random(5)
    alphabet = string.ascii_letters + string.digits + string.punctuation + " äß日本😀"
    for url in (True, False):
        keys = ["".join(rng.choices(alphabet, k=rng.randrange(1, 60))) for _ in range(2000)]
        body = usual(keys, url=url)
        assert parse(body) == theirs(body)
        assert [row[0] for row in parse(body).rows] == keys


@pytest.mark.parametrize("rest", ["", "<Owner><ID>i</ID><DisplayName>d</DisplayName></Owner>"])
def test_the_usual_page_goes_the_fast_way(rest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = usual([f"a/{n}&<b>" for n in range(100)], url=False, rest=rest)
    slow = list_parse._by_expat

    def only_the_envelope(body: bytes, row: Any = None) -> Any:
        assert row is not None, "the whole page went to expat"
        return slow(body, row)

    monkeypatch.setattr(list_parse, "_by_expat", only_the_envelope)
    assert [row[0] for row in parse(body).rows] == [f"a/{n}&<b>" for n in range(100)]


def test_keys_are_decoded_only_where_the_store_says_that_it_encoded_them() -> None:
    rows = '<Contents><Key>a%2Bb+c</Key><ETag>"e"</ETag><Size>1</Size></Contents>'
    assert parse(page(rows)).rows[0][0] == "a%2Bb+c"
    assert parse(page(rows, after="<EncodingType>url</EncodingType>")).rows[0][0] == "a+b c"


ROW = '<Contents><Key>k</Key><ETag>"e"</ETag><Size>1</Size></Contents>'
LAUGHS = (
    '<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<ListBucketResult><IsTruncated>false</IsTruncated><Name>&b;</Name></ListBucketResult>"
)

BAD = {
    "nothing": b"",
    "html": b"<html><body>hello<br></body></html>",
    "xhtml": b"<html><body>hello</body></html>",
    "text": b"hello",
    "an error": b"<Error><Code>SlowDown</Code></Error>",
    "a bomb": LAUGHS.encode(),
    "a document type": b"<!DOCTYPE x SYSTEM 'http://127.0.0.1/x'>" + page(ROW, declared=False),
    "no end": page(ROW)[:-5],
    "no last row": page(ROW * 3)[:200],
    "not told whether it is all": f"<ListBucketResult>{ROW}</ListBucketResult>".encode(),
    "told twice": page(ROW, after="<IsTruncated>true</IsTruncated>"),
    "neither true nor false": page(ROW, truncated="True"),
    "a row without a key": page(ROW + '<Contents><ETag>"e"</ETag><Size>1</Size></Contents>'),
    "rows without a key": page('<Contents><ETag>"e"</ETag><Size>1</Size></Contents>'),
    "a row without a size": page('<Contents><Key>k</Key><ETag>"e"</ETag></Contents>'),
    "a row without an etag": page("<Contents><Key>k</Key><Size>1</Size></Contents>"),
    "an empty etag": page('<Contents><Key>k</Key><ETag>""</ETag><Size>1</Size></Contents>'),
    "an empty row": page(ROW + "<Contents/>"),
    "two keys in a row": page(ROW.replace("<ETag>", "<Key>l</Key><ETag>")),
    "a size that is none": page(ROW.replace("<Size>1", "<Size>many")),
    "a time that is none": page(ROW.replace("<Size>", "<LastModified>noon</LastModified><Size>")),
    "an entity of its own": page(ROW.replace("<Key>k", "<Key>&k;")),
    "a bare ampersand": page(ROW.replace("<Key>k", "<Key>a & b")),
    "a character that XML has not": page(ROW.replace("<Key>k", "<Key>k\x01")),
    "bytes that are no UTF-8": page(ROW).replace(b"<Key>k", b"<Key>\xff"),
    "half of a surrogate": page(ROW).replace(b"<Key>k", b"<Key>\xed\xa0\x80"),
    "no character": page(ROW).replace(b"<Key>k", b"<Key>\xef\xbf\xbf"),
    "something between rows": page(f"{ROW}</Contents>{ROW}"),
    "more behind it": page(ROW) + page(ROW),
}


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
def test_what_is_no_whole_listing_is_an_error(body: bytes) -> None:
    with pytest.raises(Garbled):
        parse(body)


STRANGE = {
    "a page for people": b"<html><IsTruncated>false</IsTruncated></html>",
    "parts": (
        f'<ListPartsResult xmlns="{XMLNS}"><IsTruncated>false</IsTruncated><Part><PartNumber>1</PartNumber></Part>'
        "</ListPartsResult>"
    ).encode(),
    "versions": b"<ListVersionsResult><IsTruncated>false</IsTruncated></ListVersionsResult>",
    "rows of something else": f"<html>{ROW}<IsTruncated>false</IsTruncated></html>".encode(),
    "a listing in a frame": b"<html>" + page(ROW, declared=False) + b"</html>",
    "a year that no calendar has": page(
        ROW.replace("<Size>", f"<LastModified>Fri, 27 Nov {'9' * 20} 01:02:03 GMT</LastModified><Size>")
    ),
    "a time before all time": page(
        ROW.replace("<Size>", "<LastModified>0001-01-01T00:00:00+23:59</LastModified><Size>")
    ),
}


@pytest.mark.parametrize("body", STRANGE.values(), ids=STRANGE.keys())
def test_what_came_whole_and_is_no_listing_is_told_so(body: bytes) -> None:
    with pytest.raises(NoListing):
        parse(body)


@pytest.mark.parametrize("root", ["ListBucketResult", f'ListBucketResult xmlns="{XMLNS}"'])
def test_a_listing_is_one_with_its_namespace_and_without(root: str) -> None:
    for rows, keys in (("", []), (ROW, ["k"]), (ROW + "<!-- -->", ["k"])):
        body = f"<{root}>{rows}<IsTruncated>false</IsTruncated></ListBucketResult>".encode()
        assert [row[0] for row in parse(body).rows] == keys


@settings(deadline=None)
@given(pages(), st.data())
def test_a_listing_that_is_cut_anywhere_is_an_error(body: bytes, data: st.DataObject) -> None:
    with pytest.raises(Garbled):
        parse(body[: data.draw(st.integers(0, len(body) - 1))])


@settings(deadline=None)
@given(pages(), st.data())
def test_a_listing_with_a_byte_flipped_is_read_as_botocore_reads_it_or_is_an_error(
    body: bytes, data: st.DataObject
) -> None:
    at, bit = data.draw(st.integers(0, len(body) - 1)), data.draw(st.integers(0, 7))
    spoilt = bytearray(body)
    spoilt[at] ^= 1 << bit
    try:
        said = parse(bytes(spoilt))
    except Garbled:
        return
    assert said == theirs(bytes(spoilt))


@settings(deadline=None)
@given(pages(), st.data())
def test_rows_are_left_out_where_they_are_those_that_are_known_and_nowhere_else(
    body: bytes, data: st.DataObject
) -> None:
    known = parse(body)
    if known.mark is None:
        return
    assert parse(body, {known.mark}) == Listed([], known.truncated, known.token)
    spoilt = bytearray(body)
    spoilt[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        said = parse(bytes(spoilt), {known.mark})
    except Garbled:
        return
    whole = theirs(bytes(spoilt))
    assert (said.truncated, said.token) == (whole.truncated, whole.token)
    assert whole.rows == (known.rows if said.mark == known.mark else said.rows)


def test_a_page_that_says_between_its_rows_whether_it_is_the_last_is_read_too() -> None:
    row = "<Contents><Key>{}</Key><Size>1</Size><ETag>e</ETag></Contents>"
    body = f"<ListBucketResult>{row.format('a')}<IsTruncated>false</IsTruncated>{row.format('b')}</ListBucketResult>"
    assert [one[0] for one in parse(body.encode()).rows] == ["a", "b"]
    assert parse(body.encode()).mark is None


def test_the_same_bytes_are_other_rows_where_they_are_encoded() -> None:
    rows = "<Contents><Key>a%2Bb</Key><Size>1</Size><ETag>e</ETag></Contents>"
    plain, encoded = page(rows), page(rows, before="<EncodingType>url</EncodingType>")
    assert [row[0] for listed in (parse(plain), parse(encoded)) for row in listed.rows] == ["a%2Bb", "a+b"]
    assert parse(plain).mark != parse(encoded).mark
    assert parse(plain).mark == parse(page(rows, truncated="true", before="<KeyCount>1</KeyCount>")).mark


def test_a_row_nested_elsewhere_is_no_row_of_the_listing() -> None:
    assert parse(page(f"<Other>{ROW}</Other>")).rows == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-27T01:02:03.999Z", 1795741323),
        ("2026-11-27T01:02:03Z", 1795741323),
        ("2026-11-27T01:02:03+00:00", 1795741323),
        ("2026-11-27T03:02:03.5+02:00", 1795741323),
        ("Fri, 27 Nov 2026 01:02:03 GMT", 1795741323),
    ],
)
def test_a_time_is_read_as_stores_write_it(text: str, seconds: int) -> None:
    body = page(ROW.replace("<Size>", f"<LastModified>{text}</LastModified><Size>"))
    assert parse(body).rows[0][3] == seconds
    assert parse(body) == theirs(body)
