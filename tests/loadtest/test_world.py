from loadtest.world import TERMINALS_PER_MERCHANT, WorldTerms, make_terminals, write_registry_file
from switch.domain.card import passes_luhn
from switch.registrar.document import parse_document


def test_terminals_are_the_same_each_time_and_all_different():
    specs = make_terminals(1_000)
    assert specs == make_terminals(1_000)
    assert specs[:10] == make_terminals(10)
    assert len({spec.terminal_id for spec in specs}) == 1_000
    assert len({spec.mak for spec in specs}) == 1_000
    assert len({spec.merchant_id for spec in specs}) == 1_000 / TERMINALS_PER_MERCHANT


def test_terminals_follow_the_terms_of_the_instance():
    [spec] = make_terminals(1, WorldTerms(acquirer="other", issuer_digits="62222222"))
    assert spec.acquirer == "other"
    assert spec.pan.startswith("62222222")
    assert passes_luhn(spec.pan)


def test_the_merchant_id_spells_its_mcc():
    [spec] = make_terminals(1)
    assert spec.merchant_id[7:11] == "5411"
    assert len(spec.merchant_id) == 15


def test_the_registry_file_is_one_that_the_registrar_can_read():
    specs = make_terminals(9)
    document = parse_document(write_registry_file(specs).encode())
    assert document.problems == ()
    kinds = [place.kind for place, _ in document.entries]
    assert (kinds.count("agents"), kinds.count("merchants"), kinds.count("terminals")) == (1, 3, 9)
