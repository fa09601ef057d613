from switch.codec.message import Message


def test_a_message_never_shows_its_content():
    message = Message("0200", {"pan": "6200000000000005", "pin_block": b"secret!!"})
    for shown in (repr(message), str(message), f"{message}"):
        assert shown == "Message(mti='0200', fields=<pan, pin_block>)"
