from switch.codec.emv_tags import OPEN_TAGS, SECRET_TAGS
from switch.codec.tlv import Tlv, decode_tlv, encode_tlv


def test_no_tag_is_both_open_and_secret():
    assert not OPEN_TAGS.keys() & SECRET_TAGS.keys()


def test_what_holds_card_data_is_secret():
    card_data = {"56", "57", "5A", "5F20", "5F24", "99", "9F1F", "9F20", "9F6B"}
    assert card_data <= SECRET_TAGS.keys()


def test_every_tag_of_the_tables_is_a_tag():
    for tag in OPEN_TAGS | SECRET_TAGS:
        [found] = decode_tlv(encode_tlv([Tlv(tag)]))
        assert found.tag == tag
