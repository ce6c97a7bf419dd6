"""Raw output of k6 in every form it has: read right, or refused by name."""

import gzip
import json

import pytest

from experiments.errors import ConfigError
from experiments.interop.k6_output import read_output

HEADERS = {
    "2020": "metric_name,timestamp,metric_value,check,error,error_code,group,method,name,proto,"
    "status,subproto,tls_version,url,extra_tags",
    "2025": "metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,"
    "method,name,proto,scenario,service,status,subproto,tls_version,url,extra_tags,metadata",
    "few system tags": "metric_name,timestamp,metric_value,name,status,extra_tags",
}
SECOND = 1_700_000_000
TIMES = {
    "unix": ["1700000000", "1700000001"],
    "unix_milli": ["1700000000250", "1700000001250"],
    "unix_micro": ["1700000000250000", "1700000001250000"],
    "unix_nano": ["1700000000250000000", "1700000001250000000"],
    "rfc3339": ["2023-11-14T22:13:20Z", "2023-11-14T22:13:21Z"],
    "rfc3339_nano": ["2023-11-14T23:13:20.25+01:00", "2023-11-14T23:13:21.250000001+01:00"],
}


def rows(header, times, **values):
    """Two requests and the users of the first second."""
    columns = header.split(",")
    common = {"method": "GET", "name": "dates", "status": "200", **values}
    samples = [
        {"metric_name": "http_req_duration", "timestamp": times[0], "metric_value": "12.5"},
        {"metric_name": "http_req_failed", "timestamp": times[0], "metric_value": "0"},
        {"metric_name": "http_req_duration", "timestamp": times[1], "metric_value": "13.5"},
    ]
    users = {"metric_name": "vus", "timestamp": times[0], "metric_value": "4"}
    table = [*({**common, **sample} for sample in samples), users]
    return "\n".join(
        [header, *(",".join(row.get(column, "") for column in columns) for row in table)]
    )


def written(tmp_path, content, name="k6.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def check(output):
    assert [(r.name, r.status, r.duration_ms) for r in output.requests] == [
        ("dates", "200", 12.5),
        ("dates", "200", 13.5),
    ]
    assert output.users == {SECOND: 4.0}
    assert output.requests[0].time_s == pytest.approx(SECOND, abs=0.3)
    assert output.requests[1].time_s - output.requests[0].time_s == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
def test_every_header_and_time_format_of_k6_is_read(tmp_path, header, times):
    check(read_output(written(tmp_path, rows(header, times))))


PLAIN = rows(HEADERS["2025"], TIMES["unix_milli"])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("k6.csv.gz", gzip.compress(PLAIN.encode()), id="gzip"),
        pytest.param("k6.csv", gzip.compress(PLAIN.encode()), id="gzip under another name"),
        pytest.param("k6.csv.gz", PLAIN.encode(), id="plain under a gzip name"),
        pytest.param("k6.csv", b"\xef\xbb\xbf" + PLAIN.encode(), id="byte order mark"),
        pytest.param("k6.csv", PLAIN.encode("utf-16"), id="UTF-16 of a shell"),
        pytest.param("k6.csv", PLAIN.replace("\n", "\r\n").encode(), id="Windows line ends"),
        pytest.param(
            "k6.csv",
            PLAIN.replace(".5", "!5").replace(",", ";").replace("!", ",").encode(),
            id="semicolons and decimal commas of a spreadsheet",
        ),
        pytest.param("k6.csv", (PLAIN + "\n\n").encode(), id="empty lines at the end"),
    ],
)
def test_what_shells_and_spreadsheets_make_of_it_is_read(tmp_path, name, content):
    check(read_output(written(tmp_path, content, name)))


def points(**more):
    """Lines of --out json, as versions since 2020 write them."""
    tags = {"name": "dates", "status": "200", "method": "GET", **more}
    for metric, second, value in (
        ("http_req_duration", "20.25", 12.5),
        ("http_req_duration", "21.250000000", 13.5),
        ("vus", "20", 4),
    ):
        time = f"2023-11-14T22:13:{second}Z"
        yield {"type": "Metric", "metric": metric, "data": {"name": metric, "type": "trend"}}
        yield {
            "metric": metric,
            "type": "Point",
            "data": {"time": time, "value": value, "tags": tags if value > 4 else None},
        }


def test_lines_of_json_are_read(tmp_path):
    check(read_output(written(tmp_path, "\n".join(map(json.dumps, points())), "k6.json")))
    packed = gzip.compress("\n".join(map(json.dumps, points())).encode())
    check(read_output(written(tmp_path, packed, "k6.json.gz")))


def test_an_address_is_the_endpoint_that_it_leads_to(tmp_path):
    header = HEADERS["2025"]
    url = "http://shop.example:8080/v1/concerts/17/available-dates?page=2"
    output = read_output(written(tmp_path, rows(header, TIMES["unix"], name=url)))
    assert {r.name for r in output.requests} == {"GET /v1/concerts/{id}/available-dates"}
    without = header.replace(",name", "")
    output = read_output(written(tmp_path, rows(without, TIMES["unix"], url=url)))
    assert {r.name for r in output.requests} == {"GET /v1/concerts/{id}/available-dates"}


def test_a_file_without_users_says_so(tmp_path):
    only = "\n".join(line for line in PLAIN.splitlines() if not line.startswith("vus"))
    output = read_output(written(tmp_path, only))
    assert (output.users, len(output.requests)) == ({}, 2)


CUT = gzip.compress("\n".join([PLAIN, *PLAIN.splitlines()[1:] * 500]).encode())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param("", "the file is empty", id="empty"),
        pytest.param("name,status\n", "has no column metric_name, timestamp", id="other columns"),
        pytest.param(
            rows("metric_name,timestamp,metric_value,status", TIMES["unix"]),
            "neither the column name nor url",
            id="systemTags without names",
        ),
        pytest.param("<html></html>", "looks like HTML", id="HTML"),
        pytest.param('[{"type": "Point"}]', "list of JSON", id="a list"),
        pytest.param(
            '{\n  "metrics": {"http_reqs": {}}\n}', "this is a summary", id="a summary of k6"
        ),
        pytest.param('{"metrics": {}}', "this is a summary", id="a summary in one line"),
        pytest.param(
            '{"scenarios": {}, "vus": 1}', "options of a script", id="what k6 inspect prints"
        ),
        pytest.param('{"a": 1}', "JSON without type", id="other JSON"),
        pytest.param(PLAIN[:-30], r"line 5: .*of 19 columns: the file is cut off", id="cut"),
        pytest.param(CUT[: len(CUT) // 2], r"line \d+: the file is cut off", id="cut gzip"),
        pytest.param(CUT[:20], "cut off", id="cut gzip, no line"),
        pytest.param(
            "\n".join(map(json.dumps, points()))[:-20], r"line 6: .*cut off", id="cut JSON"
        ),
        pytest.param(
            PLAIN.replace("1700000001250", "1700000001"),
            "line 4: .*is unix, the times before are unix_milli",
            id="two time formats",
        ),
        pytest.param(
            PLAIN.replace("1700000000250", "yesterday"), "line 2: .*K6_CSV_TIME_FORMAT", id="a word"
        ),
        pytest.param(PLAIN.replace("13.5", "-13.5"), "line 4: .*allowed: 0 or more", id="negative"),
        pytest.param(PLAIN.replace("13.5", "13,5"), "line 4: .*20 of 19 columns", id="decimals"),
        pytest.param(PLAIN.replace("13.5", "x"), "line 4: .*'x' is no number", id="no number"),
        pytest.param(b"\x00\x80\x81", "cannot be read: not UTF-8", id="binary"),
        pytest.param(b"\x1f\x8b\x08nonsense", "cannot be read|cut off", id="no gzip after all"),
        pytest.param(
            HEADERS["2025"], "has no samples of http_req_duration", id="nothing but a header"
        ),
    ],
)
def test_everything_else_is_refused_with_file_line_and_reason(tmp_path, content, says):
    path = written(tmp_path, content)
    with pytest.raises(ConfigError, match=says) as refused:
        read_output(path)
    assert str(refused.value).startswith(path)
