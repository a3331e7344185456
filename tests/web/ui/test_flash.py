"""Messages on the next page."""

from flask import Flask, Response, g

from koha_ill_sidecar.web.ui import flash


def test_long_texts_fit_into_a_cookie(app: Flask) -> None:
    with app.test_request_context():
        g.to_tell = []
        for _ in range(9):
            flash.flash("warning", "林" * 2000, "https://koha.example.org/letter")
        response = flash.store(Response())
        cookie = response.headers["Set-Cookie"]

    assert len(cookie) < 4093
    value = cookie.partition("=")[2].partition(";")[0]
    with app.test_request_context(headers={"Cookie": f"koha_ill_sidecar_messages={value}"}):
        told = flash.pop_flashed()
    assert len(told) == 4
    assert told[0].text.endswith("…")
    assert told[0].link == "https://koha.example.org/letter"


def test_a_cookie_that_is_none_of_ours_tells_nothing(app: Flask) -> None:
    for value in ("", "x", "eyJhIjoxfQ", "W3siYSI6MX1d", "\u00ff"):
        with app.test_request_context(headers={"Cookie": f"koha_ill_sidecar_messages={value}"}):
            assert flash.pop_flashed() == []


def test_a_link_that_could_run_is_left_out(app: Flask) -> None:
    with app.test_request_context():
        flash.flash("done", "x", "javascript:alert(1)")
        cookie = flash.store(Response()).headers["Set-Cookie"]

    value = cookie.partition("=")[2].partition(";")[0]
    with app.test_request_context(headers={"Cookie": f"koha_ill_sidecar_messages={value}"}):
        assert flash.pop_flashed()[0].link == ""
