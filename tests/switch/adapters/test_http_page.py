import re

from switch.adapters.http_page import PageContent, PageFact, PagePayment, render_page

PAYMENT = PagePayment(
    at="2026-01-01 00:00:00 UTC",
    rrn="000000000042",
    merchant_id="898110154110001",
    amount="12.34 CNY",
    card="620000******0005",
    status="approved",
)


def page(**changes):
    content = {
        "version": "1.0",
        "is_ready": True,
        "facts": (PageFact("log", "open"),),
        "payments": (PAYMENT,),
        **changes,
    }
    return render_page(PageContent(**content))


def test_it_shows_what_runs_the_last_payments_and_where_to_go_on():
    html = page()
    for text in ("Ready for payments", "000000000042", "12.34 CNY", "620000******0005"):
        assert text in html
    for link in ("/v1/openapi.json", "/readyz", "/metrics", "/healthz"):
        assert f'href="{link}"' in html


def test_nothing_is_fetched_from_anywhere():
    assert not re.search(r'(src|href)="(https?:)?//', page())
    assert "<script" not in page()
    assert "url(" not in page()


def test_what_is_shown_is_escaped():
    html = page(facts=(PageFact("<b>", "<script>alert(1)</script>", is_well=False),))
    assert "<script>" not in html
    assert 'class="bad"' in html


def test_it_adapts_to_dark_and_narrow():
    html = page()
    assert "color-scheme: light dark" in html
    assert "width=device-width" in html
    assert "overflow-x: auto" in html


def test_without_payments_it_says_what_to_try_or_why_there_are_none():
    assert "switch pos sale" in page(payments=())
    assert "the database is down" in page(payments=(), payments_note="the database is down")
