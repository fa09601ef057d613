"""Writes docs/registry-file.md from the file's own description.

`python -m switch.registrar.document_doc`
"""

import enum
import inspect
import sys
from collections.abc import Iterator
from typing import Final

import msgspec

from switch.registrar.document import TABLES, FeePlanEntry, StandInEntry, describe

_HEAD: Final = """# The registry file

What `switch registry load FILE.toml` takes. Made from `switch/registrar/document.py` by
`python -m switch.registrar.document_doc`; a test keeps it true. `switch/demo/world.toml` is a
complete example.

- A file is loaded as a whole, or refused with every error in it: where, what, and what to do.
- It states how things are to be. Loading it again changes nothing; an entry that it does not name
  stays as it is; a status that no step leads to (a closed merchant that trades again) is refused.
- An entry is stated whole: a field left out gets its default, whatever it was (a key stays). To
  suspend a merchant, load its whole entry with the other status: `merchant_id` and `status` alone
  would empty the rest, and then it is `merchant-config-incomplete` until the rest is loaded again
  (`load` says which merchants lack what).
- References must have their target, in the file or in the registry: agents without circles,
  merchants, issuers, links. One device (`serial_number`) belongs to one terminal, one BIN to one
  issuer (a longer BIN inside a shorter one wins), one API key to one client or operator. Digits 8
  to 11 of a 15-digit merchant id are its `mcc`.
- A merchant may be incomplete: its payments are declined as `merchant-config-incomplete`, and the
  answer names what is missing. An agent that is not active blocks every merchant below it.
- Keys in clear (`mak`, `tmk`, `pik`, `zpk`, `api_key`) are for demo instances only, and sealed or
  hashed before they are written anywhere. A key left out stays as it is; with `mak_kcv` and so on
  it must have that check value. A key given for one `mac_algorithm` or cipher is not kept for
  another: give the new one in the same file.
- A terminal whose status becomes `lost` keeps the moment of that; what it sent before is still
  reversed for a day.
"""
_COLUMNS: Final = "| field | default | value |\n|---|---|---|\n"


def write_document() -> str:
    """Write the whole page, as docs/registry-file.md must read."""
    return "".join((_HEAD, *_tables()))


def _tables() -> Iterator[str]:
    for kind, (entry_type, _) in TABLES.items():
        yield f"\n## `[[{kind}]]`\n\n{_first_line(entry_type)}{_COLUMNS}"
        yield from map(_row, msgspec.structs.fields(entry_type))
    yield "\n## `fee_plan`\n\nAmount x rate, rounded half up; then the minimum, then the cap.\n\n"
    yield _COLUMNS
    yield from map(_row, msgspec.structs.fields(FeePlanEntry))
    yield "\n## `stand_in`\n\nWhile no line to the issuer is up, the switch approves sales up to "
    yield "the floor limit and tells the\nissuer afterwards. `bins`: for these cards only; none "
    yield "named means all of the issuer's.\n\n"
    yield _COLUMNS
    yield from map(_row, msgspec.structs.fields(StandInEntry))


def _first_line(entry_type: type) -> str:
    """Take what the entry's description says beyond its name."""
    _, _, text = (inspect.getdoc(entry_type) or "").partition("; ")
    return f"{text[0].upper()}{text[1:]}\n\n" if text else ""


def _row(field: msgspec.structs.FieldInfo) -> str:
    default = "needed" if field.required else f"`{_write_default(field.default)}`"
    value = "; ".join(describe(field.type)) or _plain(field.type)
    return f"| `{field.name}` | {default} | {value} |\n"


def _write_default(value: object) -> str:
    """Write a default as the file would have it."""
    if isinstance(value, enum.Enum):
        return f'"{value.value}"'
    if value is None:
        return "none"
    return msgspec.json.encode(value).decode()


def _plain(annotation: object) -> str:
    if annotation is bool:
        return "true or false"
    return "a table, see below"


if __name__ == "__main__":
    sys.stdout.write(write_document())
