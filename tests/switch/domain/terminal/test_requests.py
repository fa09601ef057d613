from switch.domain.terminal.requests import UploadItem

ITEM = UploadItem(
    stan="000123", amount_minor=100, token="t1", token_key_id="k1", masked_pan="620000******0005"
)


def change(**changes):
    fields = {name: getattr(ITEM, name) for name in ITEM.__struct_fields__}
    return UploadItem(**fields | changes)


def test_an_item_is_the_same_with_stan_amount_and_card():
    assert ITEM.is_same(change())
    assert not ITEM.is_same(change(stan="000124"))
    assert not ITEM.is_same(change(amount_minor=101))
    assert not ITEM.is_same(change(token="t2"))


def test_across_a_rotation_of_the_token_key_the_masks_are_compared():
    assert ITEM.is_same(change(token="t2", token_key_id="k2"))
    assert not ITEM.is_same(change(token="t2", token_key_id="k2", masked_pan="620000******0006"))
