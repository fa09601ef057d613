import pytest

from switch.domain.fees import FeePlan
from switch.domain.registry.entities import DuplicatePolicy, StandIn, id_of
from switch.domain.registry.events import (
    MerchantChanged,
    MerchantRegistered,
    RegistryLoaded,
    TerminalChanged,
)
from switch.domain.registry.view import Registry
from switch.eventlog.port import RECORD_BYTES_MAX
from switch.eventlog.registry_record import RegistryRecord, encode_registry_record
from switch.registrar.document import parse_document
from switch.registrar.registrar import (
    Registrar,
    RegistryRefused,
    split_load,
)
from switch.security.api_keys import hash_api_key
from switch.security.keys import Keys, mak_owner, pik_owner, tmk_owner, zpk_owner
from switch.security.keystore import MemoryKeyStore
from switch.security.mac import ALGORITHMS, ALGORITHMS_OF_DOUBLE_KEYS, cipher_of
from switch.security.sealing import SealBroken
from switch.security.working_keys import KeyScheme

TMK = "0123456789ABCDEFFEDCBA9876543210"
PIK = "3132333435363738393A3B3C3D3E3F40"

WORLD = """
[[terminals]]
acquirer = "acq"
terminal_id = "00000001"
profile = "unionpay-pos"
status = "activated"
merchant_id = "898110154110001"
serial_number = "SN1"
mak = "1C1C1C1C1C1C1C1C"
[[operators]]
operator_id = "operator"
name = "Operator"
api_key = "an-operator-of-a-demo"
roles = ["view", "resolve"]
[[clients]]
client_id = "client"
name = "Client"
acquirer = "acq"
api_key = "an-api-key-of-a-demo"
merchants = ["898110154110001"]
[[merchants]]
merchant_id = "898110154110001"
status = "activated"
name = "Shop"
mcc = "5411"
agent_id = "agent"
fee_plan = { rate_ppm = 3800, cap_minor = 3500 }
[[agents]]
agent_id = "agent"
name = "Agent"
status = "active"
parent_id = "root"
[[agents]]
agent_id = "root"
name = "Root"
status = "active"
[[acquirers]]
acquirer_id = "acq"
name = "Acquirer"
institution_id = "1"
[[routes]]
route_id = "route"
issuer_id = "issuer"
link = "link"
[[issuers]]
issuer_id = "issuer"
name = "Issuer"
bins = ["62"]
[[links]]
link_id = "link"
name = "Link"
[[groups]]
group_id = "group"
name = "Group"
"""

WITH_KEYS = WORLD.replace(
    'mak = "1C1C1C1C1C1C1C1C"\n', f'mak = "1C1C1C1C1C1C1C1C"\ntmk = "{TMK}"\npik = "{PIK}"\n'
).replace('bins = ["62"]\n', f'bins = ["62"]\nzpk = "{TMK}"\n')


@pytest.fixture
def keys():
    return Keys(MemoryKeyStore(), minute_key_lifetime_ms=1_000)


@pytest.fixture
def registry():
    return Registry()


@pytest.fixture
def registrar(registry, keys):
    return Registrar(registry, seal_key=keys.seal_key, clear_keys_allowed=True)


def load(registrar, registry, text):
    events = registrar.load(parse_document(text.encode()), "me", 7)
    for event in events:
        registry.apply(registry.position, event)
    return events


def refusals(registrar, text):
    with pytest.raises(RegistryRefused) as caught:
        registrar.load(parse_document(text.encode()), "me", 7)
    assert all(str(problem) in str(caught.value) for problem in caught.value.problems)
    return [str(problem) for problem in caught.value.problems]


def test_a_file_becomes_events_in_an_order_in_which_each_can_stand(registrar, registry):
    events = load(registrar, registry, WORLD)
    names = [type(event).__name__.removesuffix("Registered") for event in events]
    assert names == [
        "Acquirer",
        "Agent",
        "Agent",
        "StoreGroup",
        "Link",
        "Issuer",
        "Route",
        "Merchant",
        "Terminal",
        "ApiClient",
        "Operator",
        "RegistryLoaded",
    ]
    digest = parse_document(WORLD.encode()).digest
    assert events[-1] == RegistryLoaded(actor="me", at=7, digest=digest, change_count=11)
    assert registry.find_issuer("62000000") is not None
    assert registry.find_merchant("898110154110001").missing_fields() == (
        "currency",
        "settlement_account",
    )


def test_the_same_file_again_changes_nothing(registrar, registry):
    load(registrar, registry, WORLD)
    assert load(registrar, registry, WORLD) == []


def test_only_what_changed_becomes_events(registrar, registry):
    load(registrar, registry, WORLD)
    events = load(registrar, registry, WORLD.replace('name = "Shop"', 'name = "Store"'))
    assert [type(event) for event in events] == [MerchantChanged, RegistryLoaded]
    assert registry.find_merchant("898110154110001").name == "Store"


def test_what_a_file_does_not_name_stays(registrar, registry):
    load(registrar, registry, WORLD)
    assert load(registrar, registry, "") == []
    assert registry.find_merchant("898110154110001") is not None


def test_a_decision_writes_nothing_to_the_registry(registrar, registry):
    registrar.load(parse_document(WORLD.encode()), "me", 7)
    assert registry.position == 0
    assert registry.list_entities("merchants") == ()


# -- keys


def test_a_clear_key_is_sealed_before_it_becomes_an_event(registrar, registry, keys):
    load(registrar, registry, WORLD)
    terminal = registry.find_terminal("acq", "00000001")
    assert terminal.mak.kcv == "77800CBA"
    assert bytes.fromhex("1C" * 8) not in terminal.mak.sealed
    assert keys.mac_key_of(terminal) is not None


def test_a_key_left_out_stays_and_another_one_replaces_it(registrar, registry):
    load(registrar, registry, WORLD)
    before = registry.find_terminal("acq", "00000001").mak
    assert load(registrar, registry, WORLD.replace('mak = "1C1C1C1C1C1C1C1C"\n', "")) == []
    events = load(registrar, registry, WORLD.replace("1C1C1C1C1C1C1C1C", "0123456789ABCDEF"))
    assert isinstance(events[0], TerminalChanged)
    after = registry.find_terminal("acq", "00000001").mak
    assert (after.kcv, before.kcv) == ("D5D44FF7", "77800CBA")


def test_an_api_key_is_kept_as_its_digest(registrar, registry):
    load(registrar, registry, WORLD)
    client = registry.find_api_client(hash_api_key("an-api-key-of-a-demo"))
    assert id_of(client) == "client"


def test_keys_in_clear_are_refused_outside_a_demo(registry, keys):
    registrar = Registrar(registry, seal_key=keys.seal_key, clear_keys_allowed=False)
    problems = refusals(registrar, WORLD)
    assert [problem.split(": ")[1] for problem in problems] == ["mak", "api_key", "api_key"]
    assert all("demo instances only" in problem for problem in problems)
    assert not any("1C1C" in problem or "of-a-demo" in problem for problem in problems)
    sealed = WORLD.replace('mak = "1C1C1C1C1C1C1C1C"\n', "")
    for api_key in ("an-api-key-of-a-demo", "an-operator-of-a-demo"):
        digest = f'key_hash = "{hash_api_key(api_key)}"'
        sealed = sealed.replace(f'api_key = "{api_key}"', digest)
    assert len(load(registrar, registry, sealed)) == 12


def test_every_key_of_a_terminal_and_an_issuer_is_sealed_for_its_place(registrar, registry, keys):
    load(registrar, registry, WITH_KEYS)
    terminal = registry.find_terminal("acq", "00000001")
    issuer = registry.find_issuer("62000000")
    assert (terminal.tmk.kcv, terminal.pik.kcv) == ("08D7B4FB", "759368C0")
    for sealed, owner, clear in (
        (terminal.tmk, tmk_owner(terminal), TMK),
        (terminal.pik, pik_owner(terminal), PIK),
        (issuer.zpk, zpk_owner(issuer), TMK),
    ):
        assert bytes.fromhex(clear) not in sealed.sealed
        assert keys.seal_key(bytes.fromhex(clear), owner).kcv == sealed.kcv
        keys.open_mac_key("unionpay-ecb", sealed, owner)
        with pytest.raises(SealBroken):
            keys.open_mac_key("unionpay-ecb", sealed, mak_owner(terminal))
    assert load(registrar, registry, WITH_KEYS) == []
    assert load(registrar, registry, WORLD) == [], "what is left out stays"


def test_a_key_for_sm4_has_a_check_value_of_sm4(registrar, registry):
    key = "376D90E7945AA5CFDB4C07CCB35CEFD3"
    terminal = (
        f'mac_algorithm = "unionpay-ecb-sm4"\nkey_scheme = "006"\nmak = "{key}"\ntmk = "{key}"\n'
    )
    load(registrar, registry, WORLD.replace('mak = "1C1C1C1C1C1C1C1C"\n', terminal))
    loaded = registry.find_terminal("acq", "00000001")
    assert [each.kcv for each in (loaded.mak, loaded.tmk)] == ["08EEDEC7"] * 2
    assert loaded.pik is None


def test_a_terminal_under_sm4_is_given_no_pin_key_because_de_52_has_no_room(registrar):
    key = "376D90E7945AA5CFDB4C07CCB35CEFD3"
    terminal = (
        f'mac_algorithm = "unionpay-ecb-sm4"\nkey_scheme = "006"\nmak = "{key}"\n'
        f'tmk = "{key}"\npik = "{key}"\n'
    )
    [problem] = refusals(registrar, WORLD.replace('mak = "1C1C1C1C1C1C1C1C"\n', terminal))
    assert "pik: a PIN block under SM4 (key_scheme 006) has 16 bytes: DE 52 has 8" in problem
    assert "leave pik out" in problem
    assert key not in problem


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('mac_algorithm = "x9.9"\ntmk = "' + "1C" * 8 + '"', None),
        ('mac_algorithm = "x9.19"', "x9.19 takes a key of 16 bytes"),
        ('mac_algorithm = "unionpay-ecb-sm4"', "mak: "),
        ('mak_kcv = "77800CBA"', None),
        ('mak_kcv = "77800c"', None),
        ('mak_kcv = "77800D"', "mak_kcv: the key has the check value 77800CBA"),
        ('tmk_kcv = "77800CBA"', "tmk_kcv: there is no key to be checked"),
    ],
)
def test_a_key_that_does_not_fit_is_refused_and_not_shown(registrar, line, complaint):
    mak = 'mak = "1C1C1C1C1C1C1C1C"\n'
    text = WORLD.replace(mak, f"{mak}{line}\n")
    if complaint is None:
        assert registrar.load(parse_document(text.encode()), "me", 7)
        return
    [problem] = refusals(registrar, text)
    assert complaint in problem
    assert "1C1C" not in problem


def test_a_key_that_is_there_can_be_checked_without_giving_it(registrar, registry):
    load(registrar, registry, WITH_KEYS)
    checked = WORLD.replace('mak = "1C1C1C1C1C1C1C1C"\n', 'tmk_kcv = "08D7B4"\n')
    assert load(registrar, registry, checked) == []
    [problem] = refusals(registrar, checked.replace("08D7B4", "08D7B5"))
    assert "tmk_kcv: the key has the check value 08D7B4FB" in problem


def test_a_key_is_not_kept_for_another_use(registrar, registry):
    load(registrar, registry, WITH_KEYS)
    mak = 'mak = "1C1C1C1C1C1C1C1C"\n'
    problems = refusals(
        registrar,
        WORLD.replace(mak, 'mac_algorithm = "unionpay-ecb-sm4"\nkey_scheme = "006"\n'),
    )
    assert [problem.split(": ")[1] for problem in problems] == [
        "mac_algorithm",
        "key_scheme",
    ]
    assert "the MAC key that it has is for unionpay-ecb; give the new mak as well" in problems[0]
    assert "the tmk that it has is for 003" in problems[1]
    assert load(registrar, registry, WORLD.replace(mak, 'mac_algorithm = "none"\n'))
    assert load(registrar, registry, WORLD.replace(mak, mak + 'mac_algorithm = "x9.9"\n'))


@pytest.mark.parametrize("line", ["", f'api_key = "{"k" * 16}"\nkey_hash = "{"a" * 64}"'])
@pytest.mark.parametrize("holder", ["clients[0] client", "operators[0] operator"])
def test_a_client_and_an_operator_have_exactly_one_of_key_and_digest(registrar, holder, line):
    api_key = {"c": "an-api-key-of-a-demo", "o": "an-operator-of-a-demo"}[holder[0]]
    [problem] = refusals(registrar, WORLD.replace(f'api_key = "{api_key}"', line))
    assert f"{holder}: key_hash: one of key_hash and api_key must be given" in problem


def test_an_operator_is_known_by_their_key(registrar, registry):
    load(registrar, registry, WORLD)
    operator = registry.find_operator(hash_api_key("an-operator-of-a-demo"))
    assert operator.roles == ("view", "resolve")


# -- what else an entry says


def test_a_merchant_says_what_becomes_of_a_second_try(registrar, registry):
    load(registrar, registry, WORLD)
    assert registry.find_merchant("898110154110001").duplicate_policy is DuplicatePolicy.REFUSE
    line = 'duplicate_policy = "warn"\nduplicate_window_s = 60\nmcc = "5411"'
    load(registrar, registry, WORLD.replace('mcc = "5411"', line))
    merchant = registry.find_merchant("898110154110001")
    assert (merchant.duplicate_policy, merchant.duplicate_window_s) == (DuplicatePolicy.WARN, 60)


def test_a_fee_may_stay_when_its_payment_goes_back(registrar, registry):
    load(registrar, registry, WORLD.replace("3500 }", "3500, is_returned_on_refund = false }"))
    plan = registry.find_merchant("898110154110001").fee_plan
    assert plan == FeePlan(rate_ppm=3800, cap_minor=3500, is_returned_on_refund=False)


def test_an_issuer_says_when_it_may_be_stood_in_for(registrar, registry):
    line = (
        'bins = ["62"]\npin_format = "iso-2"\nstand_in = { floor_limit_minor = 5, bins = ["621"] }'
    )
    load(registrar, registry, WORLD.replace('bins = ["62"]', line))
    issuer = registry.find_issuer("62000000")
    assert issuer.stand_in == StandIn(floor_limit_minor=5, bins=("621",))
    assert issuer.pin_format == "iso-2"
    [problem] = refusals(registrar, WORLD.replace('bins = ["62"]', line.replace("621", "4")))
    assert "issuers[0] issuer: stand_in: BIN 4 is not this issuer's" in problem


def test_a_lost_terminal_keeps_the_moment_at_which_it_was_lost(registrar, registry):
    def become(status, at):
        text = WORLD.replace(
            'profile = "unionpay-pos"\nstatus = "activated"',
            f'profile = "unionpay-pos"\nstatus = "{status}"',
        )
        events = registrar.load(parse_document(text.encode()), "me", at)
        for event in events:
            registry.apply(registry.position, event)
        return len(events), registry.find_terminal("acq", "00000001").lost_at

    assert become("activated", 1_000)[1] == 0
    assert become("lost", 2_000) == (2, 2_000)
    assert become("lost", 3_000) == (0, 2_000), "loading again changes nothing"


def test_a_terminal_may_be_registered_as_lost(registrar, registry):
    text = WORLD.replace('unionpay-pos"\nstatus = "activated', 'unionpay-pos"\nstatus = "lost')
    load(registrar, registry, text)
    assert registry.find_terminal("acq", "00000001").lost_at == 7


# -- refusals


def test_a_file_is_refused_as_a_whole_with_every_error(registrar, registry):
    text = (
        WORLD.replace('parent_id = "root"', 'parent_id = "nobody"')
        .replace('link = "link"', 'link = "nowhere"')
        .replace('mcc = "5411"', 'mcc = "5812"')
        .replace('bins = ["62"]', 'bins = ["x"]')
    )
    problems = refusals(registrar, text)
    for complaint in (
        "agents[0] agent: parent_id: agent 'nobody' does not exist",
        "routes[0] route: link: link 'nowhere' does not exist",
        "merchants[0] 898110154110001: mcc: the approved MCC is 5812",
        "issuers[0] issuer: bins: it has another form",
    ):
        assert any(complaint in problem for problem in problems), problems
    assert len(problems) == 4, "a reference to a damaged entry is not a second error"
    assert registry.position == 0


def test_a_reference_to_an_entry_that_could_not_be_read_is_no_error_of_its_own(registrar):
    [problem] = refusals(registrar, WORLD.replace('agent_id = "root"\n', ""))
    assert "agents[1]: agent_id: it is missing" in problem


def test_the_same_entry_twice_is_an_error(registrar):
    again = '[[groups]]\ngroup_id = "group"\nname = "Group"\n'
    [problem] = refusals(registrar, WORLD + again)
    assert "groups[1] group: id: it is already in groups[0]; keep one of the two" in problem


def test_one_device_in_two_terminals_is_an_error_of_both(registrar):
    terminal = WORLD[WORLD.index("[[terminals]]") : WORLD.index("[[operators]]")]
    problems = refusals(registrar, WORLD + terminal.replace("00000001", "00000002"))
    assert len([problem for problem in problems if "SN1" in problem]) == 2


def test_a_device_that_another_terminal_already_has_is_an_error(registrar, registry):
    load(registrar, registry, WORLD)
    terminal = WORLD[WORLD.index("[[terminals]]") : WORLD.index("[[operators]]")]
    [problem] = refusals(registrar, terminal.replace("00000001", "00000002"))
    assert "bound to terminal acq:00000001 as well" in problem


def test_a_device_can_move_within_one_file(registrar, registry):
    load(registrar, registry, WORLD)
    terminal = WORLD[WORLD.index("[[terminals]]") : WORLD.index("[[operators]]")]
    moved = terminal.replace("00000001", "00000002") + terminal.replace("SN1", "SN2")
    assert len(load(registrar, registry, moved)) == 3


def test_a_closed_merchant_does_not_come_back(registrar, registry):
    closed = WORLD.replace(
        'status = "activated"\nname = "Shop"', 'status = "closed"\nname = "Shop"'
    )
    load(registrar, registry, closed)
    [problem] = refusals(registrar, WORLD)
    assert "merchants[0] 898110154110001: status: it is closed for good" in problem


@pytest.mark.parametrize("actor", ["", "x" * 65])
def test_somebody_answers_for_every_change(registrar, actor):
    with pytest.raises(ValueError, match="an actor has 1 to 64 characters"):
        registrar.load(parse_document(b""), actor, 7)


def test_a_large_load_is_cut_into_records_that_the_log_takes(registrar, registry):
    many = range(4_000)
    text = "".join(f'[[groups]]\ngroup_id = "g{n}"\nname = "{n:040}"\n' for n in many)
    events = load(registrar, registry, text)
    parts = split_load(events)
    sizes = [
        len(
            encode_registry_record(
                RegistryRecord(claim_id="f" * 16, at=2**43, actor="a" * 64, events=part)
            )
        )
        for part in parts
    ]
    assert [event for part in parts for event in part] == events
    assert max(sizes) <= RECORD_BYTES_MAX
    assert min(sizes[:-1]) > RECORD_BYTES_MAX - 2_048, "and no more of them than it takes"
    assert split_load([]) == []


def test_an_entry_too_large_for_a_record_is_refused_by_name(registrar):
    bins = ", ".join(f'"{n:06d}"' for n in range(100_000, 120_000))
    text = f'[[issuers]]\nissuer_id = "big"\nname = "B"\nbins = [{bins}]\n'
    problems = refusals(registrar, text)
    assert any("issuers[0] big: size: it takes" in problem for problem in problems)


def test_an_interrupted_load_is_completed_by_loading_again(registrar, registry):
    events = registrar.load(parse_document(WORLD.encode()), "me", 7)
    for event in events[:4]:
        registry.apply(registry.position, event)
    rest = load(registrar, registry, WORLD)
    assert [type(event) for event in rest[:-1]] == [type(event) for event in events[4:-1]]
    assert any(isinstance(event, MerchantRegistered) for event in rest)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("scheme", KeyScheme)
def test_a_terminal_may_sign_on_exactly_if_the_scheme_has_a_key_for_its_macs(
    registrar, algorithm, scheme
):
    mak = {"x9.9": "1C" * 8}.get(algorithm, TMK)
    lines = (
        f'mak = "{mak}"\nmac_algorithm = "{algorithm}"\nkey_scheme = "{scheme.value}"\n'
        f'tmk = "{TMK}"\n'
    )
    text = WORLD.replace('mak = "1C1C1C1C1C1C1C1C"\n', lines)
    is_fitting = cipher_of(algorithm) == scheme.cipher and (
        algorithm not in ALGORITHMS_OF_DOUBLE_KEYS or scheme.takes_double_mak
    )
    if is_fitting:
        assert registrar.load(parse_document(text.encode()), "me", 7)
    else:
        [problem] = refusals(registrar, text)
        assert "key_scheme: a sign-on under" in problem
